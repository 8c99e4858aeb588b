-- Appointments of the period to which the patient came or did not come. Those that were cancelled before are
-- neither. Parameters: period_start, period_end (days of the appointment, inclusive), by_….
WITH dated AS (
  SELECT a.appointment_id, a.status, a.location_id, l.name AS facility_display, a.practitioner_reference,
         a.practitioner_display, k.as_of,
         COALESCE(business_date(a.start, COALESCE(k.timezone, l.zone, o.zone)), a.start_date) AS start_date
  FROM appointment a
  CROSS JOIN cut k
  LEFT JOIN location l ON l.location_id = a.location_id
  LEFT JOIN organization o ON o.organization_id = l.managing_organization_id
  WHERE a.status IN ('fulfilled', 'noshow')
),
fact AS (
  SELECT d.appointment_id AS unit_id, d.location_id AS facility_id, d.facility_display,
         d.practitioner_reference AS provider_reference, d.practitioner_display AS provider_display,
         SUBSTRING(CAST(d.start_date AS VARCHAR(10)), 1, 7) AS month,
         CASE WHEN d.status = 'noshow' THEN 1 ELSE 0 END AS is_missed
  FROM dated d
  WHERE d.start_date >= :period_start AND d.start_date <= :period_end AND d.start_date <= d.as_of
),
stratum AS (
  SELECT CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.month END AS month,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.is_missed
  FROM fact x
)
SELECT s.facility_id, s.facility_display, s.provider_reference, s.provider_display, s.month, s.unit_id,
       COUNT(s.is_missed) AS due,
       SUM(s.is_missed) AS missed
FROM stratum s
GROUP BY s.facility_id, s.facility_display, s.provider_reference, s.provider_display, s.month, s.unit_id
