-- Visits that the patient pays: charge items of an account whose coverage is self-pay, by visit.
WITH self_pay_account AS (
  SELECT a.account_id
  FROM account_coverage a JOIN coverage v ON v.coverage_id = a.coverage_id
  WHERE v.self_pay
  GROUP BY a.account_id
),
item AS (
  SELECT i.charge_item_id, i.encounter_id,
         MIN(COALESCE(i.occurrence_date, i.entered_date)) AS service_date,
         MIN(CAST(i.price AS DECIMAL(28, 6))) AS charge, MIN(i.currency) AS currency,
         MIN(i.performer_reference) AS provider_reference, MIN(i.performer_display) AS provider_display
  FROM charge_item i JOIN self_pay_account a ON a.account_id = i.account_id
  WHERE i.status IN ('planned', 'billable', 'billed')
  GROUP BY i.charge_item_id, i.encounter_id
)
SELECT COALESCE(i.encounter_id, i.charge_item_id) AS visit_id, i.currency,
       MIN(i.service_date) AS service_date,
       SUBSTRING(CAST(MIN(i.service_date) AS VARCHAR(10)), 1, 7) AS service_month, SUM(i.charge) AS charge,
       MIN(n.location_id) AS facility_id, MIN(f.name) AS facility_display,
       MIN(i.provider_reference) AS provider_reference, MIN(i.provider_display) AS provider_display
FROM item i
CROSS JOIN cut k
LEFT JOIN encounter n ON n.encounter_id = i.encounter_id
LEFT JOIN location f ON f.location_id = n.location_id
WHERE i.service_date <= k.as_of
GROUP BY COALESCE(i.encounter_id, i.charge_item_id), i.currency
