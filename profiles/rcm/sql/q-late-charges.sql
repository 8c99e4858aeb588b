-- Charges entered in the period, and those of them that were entered more days after the first claim of their
-- encounter than are allowed. Charges without a price or a day of entry are not among them.
-- Parameters: period_start, period_end (days of entry, inclusive), within_days, currency, by_….
WITH fact AS (
  SELECT c.charge_item_id AS unit_id, c.payer_id, c.payer_display, c.facility_id, c.facility_display,
         c.provider_reference, c.provider_display, c.entered_month AS month, c.amount,
         CASE WHEN EXTRACT(DAY FROM (CAST(c.entered_date AS TIMESTAMP) - CAST(b.submitted_date AS TIMESTAMP))) > :within_days
              THEN 1 ELSE 0 END AS is_late
  FROM charge_fact c LEFT JOIN visit_claim b ON b.encounter_id = c.encounter_id
  WHERE c.entered_date >= :period_start AND c.entered_date <= :period_end AND c.currency = :currency AND c.amount > 0
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
         x.amount, x.is_late
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id,
       COUNT(s.amount) AS charges,
       SUM(s.amount) AS charges_amount,
       SUM(s.is_late) AS late,
       SUM(CASE WHEN s.is_late = 1 THEN s.amount ELSE 0 END) AS late_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id
