-- Visits of the period to which the patient came: whether a payer had confirmed the insurance by then, and
-- whether visits without insurance got a payer later. Confirmed: a complete answer on the eligibility of a
-- coverage of the patient says that it is in force, made up to the beginning of the visit, for the day if it
-- names days. Without insurance: no payer covers the day, or a self-pay coverage says so.
-- Parameters: period_start, period_end (days of the visit, inclusive), by_….
WITH verified AS (
  SELECT v.encounter_id
  FROM visit v
  JOIN eligibility e ON e.patient_id = v.patient_id
  JOIN coverage c ON c.coverage_id = e.coverage_id AND c.beneficiary_id = v.patient_id
  WHERE e.status = 'active' AND e.outcome = 'complete' AND e.inforce AND NOT c.self_pay
    AND (e.serviced_start_date IS NULL OR e.serviced_start_date <= v.start_date)
    AND (e.serviced_end_date IS NULL OR e.serviced_end_date >= v.start_date)
    AND (COALESCE(CASE WHEN e.created_is_instant THEN business_date(e.created, v.zone) END, e.created_date) < v.start_date
         OR (COALESCE(CASE WHEN e.created_is_instant THEN business_date(e.created, v.zone) END,
                      e.created_date) = v.start_date
             AND (NOT e.created_is_instant OR NOT v.start_is_instant OR e.created <= v.start)))
  GROUP BY v.encounter_id
),
fact AS (
  SELECT v.encounter_id AS unit_id, v.payer_id, v.payer_display, v.facility_id, v.facility_display,
         v.provider_reference, v.provider_display, v.start_month AS month,
         CASE WHEN r.encounter_id IS NULL THEN 0 ELSE 1 END AS is_verified,
         CASE WHEN v.has_payer = 0 OR v.is_self_pay = 1 THEN 1 ELSE 0 END AS is_uninsured,
         CASE WHEN v.has_payer = 1 AND v.is_self_pay = 1 THEN 1 ELSE 0 END AS is_converted
  FROM visit v LEFT JOIN verified r ON r.encounter_id = v.encounter_id
  WHERE v.start_date >= :period_start AND v.start_date <= :period_end
    AND v.status IN ('arrived', 'triaged', 'in-progress', 'onleave', 'finished')
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
         x.is_verified, x.is_uninsured, x.is_converted
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id,
       COUNT(s.is_verified) AS registered,
       SUM(s.is_verified) AS verified,
       SUM(s.is_uninsured) AS uninsured,
       SUM(s.is_converted) AS converted
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id
