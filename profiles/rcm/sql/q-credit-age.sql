-- Credits at the cut by how many days they have stood without a break.
-- Parameters: currency, by_….
WITH fact AS (
  SELECT COALESCE(a.claim_id, a.unit_id) AS unit_id, a.payer_id, a.payer_display, a.facility_id, a.facility_display,
         a.provider_reference, a.provider_display, a.service_month AS month,
         CAST(EXTRACT(DAY FROM (CAST(k.as_of AS TIMESTAMP) - CAST(c.since_date AS TIMESTAMP))) AS INTEGER) AS days
  FROM credit_age c
  JOIN account a ON a.unit_id = c.unit_id AND a.currency = c.currency
  CROSS JOIN cut k
  WHERE c.currency = :currency
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN x.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN x.payer_display END AS payer_display,
         CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.month END AS month,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.days
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id, s.days,
       COUNT(s.days) AS aged_credits
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id, s.days
