-- Charges entered in the period by how many days it took from the service to the entry. A charge that does
-- not say when it was entered or when the service was has no days; it is in no period, so it is counted in all.
-- Parameters: period_start, period_end (days of entry, inclusive), currency (charges without a price count in
-- each), by_….
WITH fact AS (
  SELECT c.charge_item_id AS unit_id, c.payer_id, c.payer_display, c.facility_id, c.facility_display,
         c.provider_reference, c.provider_display, c.entered_month AS month,
         CASE WHEN c.entered_date IS NULL OR c.service_date IS NULL THEN 0 ELSE 1 END AS is_dated,
         CAST(COALESCE(EXTRACT(DAY FROM (CAST(c.entered_date AS TIMESTAMP) - CAST(c.service_date AS TIMESTAMP))), 0)
              AS INTEGER) AS days
  FROM charge_fact c
  WHERE (c.currency IS NULL OR c.currency = :currency)
    AND (c.entered_date IS NULL OR (c.entered_date >= :period_start AND c.entered_date <= :period_end))
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
         x.days,
         x.is_dated
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id, s.days,
       SUM(s.is_dated) AS charges,
       SUM(1 - s.is_dated) AS undated_charges
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id, s.days
