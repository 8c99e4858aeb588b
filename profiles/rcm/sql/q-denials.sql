-- Denied amounts of submissions of the period by reason, group, category and episode grouping.
-- Parameters: period_start, period_end (days of submission, inclusive), currency, by_… (also by_carc,
-- by_group, by_category).
WITH fact AS (
  SELECT s.claim_id AS unit_id, s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference, s.provider_display,
         s.submitted_month, d.amount, CASE WHEN :by_carc = 1 THEN d.reason_code END AS carc,
         CASE WHEN :by_group = 1 THEN d.group_code END AS group_code,
         CASE WHEN :by_category = 1 THEN d.category END AS category
  FROM denial d JOIN submission s ON s.episode_id = d.episode_id
  WHERE s.submitted_date >= :period_start AND s.submitted_date <= :period_end AND s.currency = :currency
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
         x.carc,
         x.group_code,
         x.category,
         x.amount
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id, s.carc, s.group_code, s.category,
       COUNT(s.amount) AS denials,
       SUM(s.amount) AS denied_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id, s.carc, s.group_code, s.category
