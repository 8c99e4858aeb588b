-- Whether an encounter is finished, no active claim names it, and it is not one that the patient pays: none
-- whose charges stand in an account with self-pay coverage.
WITH claimed AS (
  SELECT i.encounter_id
  FROM claim_item i JOIN claim c ON c.claim_id = i.claim_id
  WHERE i.encounter_id IS NOT NULL AND c.use = 'claim' AND c.status = 'active'
  GROUP BY i.encounter_id
),
self_pay AS (
  SELECT h.encounter_id
  FROM charge_item h
  JOIN account_coverage a ON a.account_id = h.account_id
  JOIN coverage v ON v.coverage_id = a.coverage_id
  WHERE v.self_pay AND h.encounter_id IS NOT NULL
  GROUP BY h.encounter_id
)
SELECT n.encounter_id,
       CASE WHEN n.status = 'finished' AND c.encounter_id IS NULL AND s.encounter_id IS NULL
            THEN 'true' ELSE 'false' END AS unbilled
FROM encounter n
LEFT JOIN claimed c ON c.encounter_id = n.encounter_id
LEFT JOIN self_pay s ON s.encounter_id = n.encounter_id
