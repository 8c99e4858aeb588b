-- Submissions of the period, and what of them was denied because the time to file them was over.
-- Parameters: period_start, period_end (days of submission, inclusive), currency, by_….
WITH late AS (
  SELECT d.episode_id, SUM(d.amount) AS amount FROM denial d WHERE d.reason_code = '29' GROUP BY d.episode_id
),
fact AS (
  SELECT s.claim_id AS unit_id, s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.submitted_month AS month, s.total, COALESCE(l.amount, 0) AS late_amount
  FROM submission s LEFT JOIN late l ON l.episode_id = s.episode_id
  WHERE s.submitted_date >= :period_start AND s.submitted_date <= :period_end AND s.currency = :currency
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
         x.total, x.late_amount
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id,
       COUNT(s.total) AS submissions,
       SUM(s.total) AS submitted_amount,
       SUM(CASE WHEN s.late_amount > 0 THEN 1 ELSE 0 END) AS late,
       SUM(s.late_amount) AS late_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id
