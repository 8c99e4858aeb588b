-- Submissions of the period with a service that the payer wants to authorize, a row for each such line;
-- those that are authorized; of inpatients (and observation) and of others.
-- Parameters: period_start, period_end (days of submission, inclusive), currency, by_….
WITH fact AS (
  SELECT s.claim_id AS unit_id, s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.submitted_month AS month, n.is_inpatient, n.is_authorized
  FROM needed_authorization n JOIN submission s ON s.episode_id = n.episode_id
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
         x.is_inpatient, x.is_authorized
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id,
       COUNT(s.is_authorized) AS needed,
       SUM(s.is_authorized) AS authorized,
       SUM(s.is_inpatient) AS inpatient_needed,
       SUM(s.is_inpatient * s.is_authorized) AS inpatient_authorized,
       SUM(1 - s.is_inpatient) AS outpatient_needed,
       SUM((1 - s.is_inpatient) * s.is_authorized) AS outpatient_authorized
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id
