-- Visits that ended in the period and that a payer is to be billed for: those with a claim, those with one
-- within the days that are allowed, and those without; with what was charged for them. Not billable are visits
-- that only the patient pays and those of which every charge is marked so.
-- Parameters: period_start, period_end (last days of the visit, inclusive), within_days, currency, by_….
WITH billable AS (
  SELECT i.encounter_id, MAX(CASE WHEN i.status = 'not-billable' THEN 0 ELSE 1 END) AS is_billable
  FROM charge_item i
  WHERE i.status NOT IN ('entered-in-error', 'aborted') AND i.encounter_id IS NOT NULL
  GROUP BY i.encounter_id
),
charged AS (
  SELECT c.encounter_id, SUM(c.amount) AS amount
  FROM charge_fact c
  WHERE c.currency = :currency AND c.encounter_id IS NOT NULL
  GROUP BY c.encounter_id
),
fact AS (
  SELECT v.encounter_id AS unit_id, v.payer_id, v.payer_display, v.facility_id, v.facility_display,
         v.provider_reference, v.provider_display, v.end_month AS month, COALESCE(c.amount, 0) AS amount,
         CASE WHEN b.submitted_date IS NULL THEN 0 ELSE 1 END AS is_claimed,
         CASE WHEN EXTRACT(DAY FROM (CAST(b.submitted_date AS TIMESTAMP) - CAST(v.end_date AS TIMESTAMP))) <= :within_days
              THEN 1 ELSE 0 END AS is_in_time
  FROM visit v
  LEFT JOIN visit_claim b ON b.encounter_id = v.encounter_id
  LEFT JOIN billable i ON i.encounter_id = v.encounter_id
  LEFT JOIN charged c ON c.encounter_id = v.encounter_id
  WHERE v.status = 'finished' AND v.end_date >= :period_start AND v.end_date <= :period_end
    AND (v.has_payer = 1 OR v.is_self_pay = 0) AND COALESCE(i.is_billable, 1) = 1
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
         x.amount, x.is_claimed, x.is_in_time
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id,
       COUNT(s.is_claimed) AS finished,
       SUM(s.amount) AS finished_amount,
       SUM(s.is_claimed) AS claimed,
       SUM(CASE WHEN s.is_claimed = 1 THEN s.amount ELSE 0 END) AS claimed_amount,
       SUM(s.is_in_time) AS in_time,
       SUM(CASE WHEN s.is_in_time = 1 THEN s.amount ELSE 0 END) AS in_time_amount,
       SUM(1 - s.is_claimed) AS unbilled,
       SUM(CASE WHEN s.is_claimed = 1 THEN 0 ELSE s.amount END) AS unbilled_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id
