-- Every payer with a submission of the period or with a price in force at some time: how many submissions,
-- and whether a contract has prices. Parameters: period_start, period_end (days of submission, inclusive),
-- currency.
WITH priced AS (
  SELECT p.payer_id
  FROM contract_price p
  WHERE p.price IS NOT NULL AND p.currency = :currency AND p.payer_id IS NOT NULL
    AND COALESCE(p.status, 'executed') NOT IN ('entered-in-error', 'cancelled', 'rejected', 'revoked', 'terminated')
  GROUP BY p.payer_id
),
submitted AS (
  SELECT s.payer_id, MIN(s.payer_display) AS payer_display, COUNT(s.episode_id) AS submissions
  FROM submission s
  WHERE s.submitted_date >= :period_start AND s.submitted_date <= :period_end AND s.currency = :currency
    AND s.payer_id IS NOT NULL
  GROUP BY s.payer_id
)
SELECT COALESCE(s.payer_id, p.payer_id) AS payer_id, s.payer_display, COALESCE(s.submissions, 0) AS submissions,
       CASE WHEN p.payer_id IS NULL THEN 0 ELSE 1 END AS has_contract
FROM submitted s FULL JOIN priced p ON p.payer_id = s.payer_id
