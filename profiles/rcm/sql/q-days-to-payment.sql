-- Submissions of the period by how many days it took from first submission to the first payment by an insurer.
-- Parameters: period_start, period_end (days of submission, inclusive), currency, by_….
WITH fact AS (
  SELECT s.claim_id AS unit_id, s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference, s.provider_display,
         s.submitted_month, CAST(s.payment_days AS INTEGER) AS days
  FROM submission s
  WHERE s.submitted_date >= :period_start AND s.submitted_date <= :period_end AND s.currency = :currency AND s.payment_days IS NOT NULL
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN x.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN x.payer_display END AS payer_display,
         CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.submitted_month END AS month,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.days
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id, s.days,
       COUNT(s.days) AS submissions
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id, s.days
