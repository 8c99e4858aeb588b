-- Visits of the period that were scheduled on a day before, and those of them that were registered before the
-- day of the visit. Emergencies, walk-ins and visits without an appointment are not scheduled ones.
-- Parameters: period_start, period_end (days of the visit, inclusive), by_….
WITH booking AS (
  SELECT v.encounter_id,
         MAX(CASE WHEN COALESCE(CASE WHEN a.created_is_instant THEN business_date(a.created, v.zone) END,
                                a.created_date) < v.start_date THEN 1 ELSE 0 END) AS is_scheduled,
         MAX(CASE WHEN a.created_date IS NULL THEN 1 ELSE 0 END) AS is_undated
  FROM visit v
  JOIN encounter_appointment e ON e.encounter_id = v.encounter_id
  JOIN appointment a ON a.appointment_id = e.appointment_id
  WHERE a.status NOT IN ('entered-in-error', 'cancelled', 'noshow')
    AND COALESCE(a.type_code, 'ROUTINE') NOT IN ('WALKIN', 'EMERGENCY') AND COALESCE(v.class_code, 'AMB') <> 'EMER'
  GROUP BY v.encounter_id
),
work AS (
  SELECT t.encounter_id, t.appointment_id, t.authored, t.authored_is_instant, t.authored_date, t.ended,
         t.ended_is_instant, t.ended_date
  FROM task t
  WHERE t.code = 'registration' AND t.status = 'completed'
),
registered AS (
  SELECT v.encounter_id
  FROM visit v JOIN work w ON w.encounter_id = v.encounter_id
  WHERE COALESCE(CASE WHEN w.ended_is_instant THEN business_date(w.ended, v.zone) END, w.ended_date,
                 CASE WHEN w.authored_is_instant THEN business_date(w.authored, v.zone) END,
                 w.authored_date) < v.start_date
  UNION
  SELECT v.encounter_id
  FROM visit v
  JOIN encounter_appointment e ON e.encounter_id = v.encounter_id
  JOIN work w ON w.appointment_id = e.appointment_id
  WHERE COALESCE(CASE WHEN w.ended_is_instant THEN business_date(w.ended, v.zone) END, w.ended_date,
                 CASE WHEN w.authored_is_instant THEN business_date(w.authored, v.zone) END,
                 w.authored_date) < v.start_date
  UNION
  SELECT v.encounter_id
  FROM visit v JOIN registration_form f ON f.encounter_id = v.encounter_id
  WHERE f.status IN ('completed', 'amended')
    AND COALESCE(CASE WHEN f.authored_is_instant THEN business_date(f.authored, v.zone) END,
                 f.authored_date) < v.start_date
),
fact AS (
  SELECT v.encounter_id AS unit_id, v.facility_id, v.facility_display, v.provider_reference, v.provider_display,
         v.start_month AS month, b.is_scheduled,
         CASE WHEN b.is_scheduled = 1 AND r.encounter_id IS NOT NULL THEN 1 ELSE 0 END AS is_registered,
         CASE WHEN b.is_scheduled = 0 AND b.is_undated = 1 THEN 1 ELSE 0 END AS is_undated
  FROM visit v
  JOIN booking b ON b.encounter_id = v.encounter_id
  LEFT JOIN registered r ON r.encounter_id = v.encounter_id
  WHERE v.start_date >= :period_start AND v.start_date <= :period_end
),
stratum AS (
  SELECT CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.month END AS month,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.is_scheduled, x.is_registered, x.is_undated
  FROM fact x
)
SELECT s.facility_id, s.facility_display, s.provider_reference, s.provider_display, s.month, s.unit_id,
       SUM(s.is_scheduled) AS scheduled,
       SUM(s.is_registered) AS pre_registered,
       SUM(s.is_undated) AS undated
FROM stratum s
GROUP BY s.facility_id, s.facility_display, s.provider_reference, s.provider_display, s.month, s.unit_id
