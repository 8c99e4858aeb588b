-- Open balances and credits at the cut by who owes them and by age in days.
-- Parameters: currency, age_basis (service, submission or responsible-party), by_payer (who owes), by_facility,
-- by_provider, by_month, by_episode.
WITH fact AS (
  SELECT b.holder AS payer_id, b.holder_display AS payer_display, b.facility_id, b.facility_display,
         b.provider_reference, b.provider_display, b.service_month, b.open_amount, b.credit_amount,
         COALESCE(b.claim_id, b.unit_id) AS unit_id,
         CASE WHEN :age_basis = 'submission' THEN b.submission_age
              WHEN :age_basis = 'responsible-party' THEN b.holding_age
              ELSE b.service_age END AS age_days
  FROM open_balance b
  WHERE b.currency = :currency
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN x.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN x.payer_display END AS payer_display,
         CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.service_month END AS month,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.age_days, x.open_amount, x.credit_amount
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id, CAST(s.age_days AS INTEGER) AS age_days,
       SUM(CASE WHEN s.open_amount > 0 THEN 1 ELSE 0 END) AS open_items,
       SUM(s.open_amount) AS open_amount,
       SUM(CASE WHEN s.credit_amount > 0 THEN 1 ELSE 0 END) AS credit_items,
       SUM(s.credit_amount) AS credit_amount,
       SUM(CASE WHEN s.open_amount > 0 AND s.age_days > 90 THEN 1 ELSE 0 END) AS old_items,
       SUM(CASE WHEN s.age_days > 90 THEN s.open_amount ELSE 0 END) AS old_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id, s.age_days
