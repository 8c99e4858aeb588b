-- Roots that are of one episode although no chain leads from one to the other: the links whose ends
-- have different roots, each with the smallest root on its way, up to eight links.
WITH pair AS (
  SELECT COALESCE(a.root_id, l.claim_id) AS one_id, COALESCE(b.root_id, l.earlier_id) AS other_id
  FROM episode_link l
  LEFT JOIN episode_root a ON a.claim_id = l.claim_id
  LEFT JOIN episode_root b ON b.claim_id = l.earlier_id
),
smaller AS (
  SELECT CASE WHEN p.one_id > p.other_id THEN p.one_id ELSE p.other_id END AS root_id,
         CASE WHEN p.one_id > p.other_id THEN p.other_id ELSE p.one_id END AS smaller_id
  FROM pair p
  WHERE p.one_id <> p.other_id
),
step_1 AS (
  SELECT s.root_id, MIN(s.smaller_id) AS smaller_id FROM smaller s GROUP BY s.root_id
),
step_2 AS (
  SELECT a.root_id, COALESCE(b.smaller_id, a.smaller_id) AS smaller_id
  FROM step_1 a LEFT JOIN step_1 b ON b.root_id = a.smaller_id
),
step_4 AS (
  SELECT a.root_id, COALESCE(b.smaller_id, a.smaller_id) AS smaller_id
  FROM step_2 a LEFT JOIN step_2 b ON b.root_id = a.smaller_id
)
SELECT a.root_id, COALESCE(b.smaller_id, a.smaller_id) AS episode_id
FROM step_4 a LEFT JOIN step_4 b ON b.root_id = a.smaller_id
