-- Each claim with its episode. Primary are the claims to the first payer of the episode's order that
-- follow no payer's answer.
WITH member AS (
  SELECT COALESCE(m.episode_id, r.root_id, c.claim_id) AS episode_id, c.claim_id, c.created, c.created_date,
         c.service_date, c.charge, c.currency, c.frequency, c.payer_id, c.payer_display, c.payer_order,
         c.zone, c.is_related, c.follows_payer, COALESCE(t.is_duplicate, 0) AS is_duplicate
  FROM claim_fact c
  LEFT JOIN episode_root r ON r.claim_id = c.claim_id
  LEFT JOIN episode_merge m ON m.root_id = COALESCE(r.root_id, c.claim_id)
  LEFT JOIN (
    SELECT l.claim_id, MAX(l.is_duplicate) AS is_duplicate FROM episode_link l GROUP BY l.claim_id
  ) t ON t.claim_id = c.claim_id
),
first_order AS (
  SELECT m.episode_id, MIN(m.payer_order) AS payer_order
  FROM member m
  WHERE m.follows_payer = 0
  GROUP BY m.episode_id
)
SELECT m.episode_id, m.claim_id, m.created, m.created_date, m.service_date, m.charge, m.currency,
       m.frequency, m.payer_id, m.payer_display, m.payer_order, m.zone, m.is_related, m.is_duplicate,
       CASE WHEN m.follows_payer = 0 AND m.payer_order = f.payer_order THEN 1 ELSE 0 END AS is_primary
FROM member m LEFT JOIN first_order f ON f.episode_id = m.episode_id
