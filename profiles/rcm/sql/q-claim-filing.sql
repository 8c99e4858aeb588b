-- What the last day of filing follows from: payer and first day of service of claims that are sent or shall be.
WITH served AS (
  SELECT i.claim_id, MIN(i.serviced_date) AS serviced_date FROM claim_item i GROUP BY i.claim_id
)
SELECT c.claim_id, COALESCE(v.payer_id, c.insurer_id) AS payer_id,
       COALESCE(s.serviced_date, c.billable_start_date) AS service_date
FROM claim c
LEFT JOIN served s ON s.claim_id = c.claim_id
LEFT JOIN coverage v ON v.coverage_id = c.coverage_id
WHERE c.use = 'claim' AND c.status IN ('active', 'draft')
  AND COALESCE(v.payer_id, c.insurer_id) IS NOT NULL AND COALESCE(s.serviced_date, c.billable_start_date) IS NOT NULL
