-- The first claim of each linked claim's episode, as far back as eight links, doubling the distance
-- each time. Where a claim follows two, episode joins their roots.
WITH step_1 AS (
  SELECT l.claim_id, MIN(l.earlier_id) AS earlier_id FROM episode_link l GROUP BY l.claim_id
),
step_2 AS (
  SELECT a.claim_id, COALESCE(b.earlier_id, a.earlier_id) AS earlier_id
  FROM step_1 a LEFT JOIN step_1 b ON b.claim_id = a.earlier_id
),
step_4 AS (
  SELECT a.claim_id, COALESCE(b.earlier_id, a.earlier_id) AS earlier_id
  FROM step_2 a LEFT JOIN step_2 b ON b.claim_id = a.earlier_id
)
SELECT a.claim_id, COALESCE(b.earlier_id, a.earlier_id) AS root_id
FROM step_4 a LEFT JOIN step_4 b ON b.claim_id = a.earlier_id
