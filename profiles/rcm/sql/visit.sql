-- Encounters that were not cancelled and began up to the cut, with business days of their place. The payer
-- is that of the patient's first coverage in order that is in force on the first day; is_self_pay says
-- that a coverage of that day has the patient pay.
WITH zoned AS (
  SELECT n.encounter_id, COALESCE(k.timezone, l.zone, o.zone, b.zone) AS zone, l.name AS facility_display, k.as_of
  FROM encounter n
  CROSS JOIN cut k
  LEFT JOIN location l ON l.location_id = n.location_id
  LEFT JOIN organization o ON o.organization_id = l.managing_organization_id
  LEFT JOIN organization b ON b.organization_id = n.service_provider_id
  WHERE n.status NOT IN ('entered-in-error', 'cancelled')
),
dated AS (
  SELECT z.encounter_id, z.zone, z.facility_display, n.patient_id,
         COALESCE(CASE WHEN n.start_is_instant THEN business_date(n.start, z.zone) END, n.start_date) AS start_date,
         COALESCE(CASE WHEN n.ended_is_instant THEN business_date(n.ended, z.zone) END, n.end_date) AS end_date
  FROM zoned z JOIN encounter n ON n.encounter_id = z.encounter_id
  WHERE COALESCE(CASE WHEN n.start_is_instant THEN business_date(n.start, z.zone) END, n.start_date) <= z.as_of
),
in_force AS (
  SELECT d.encounter_id, v.coverage_id, v.payer_id, COALESCE(p.name, v.payer_display) AS payer_display, v.self_pay,
         ROW_NUMBER() OVER (PARTITION BY d.encounter_id, v.self_pay
                            ORDER BY COALESCE(v.priority, 1), v.coverage_id) AS place
  FROM dated d
  JOIN coverage v ON v.beneficiary_id = d.patient_id
  LEFT JOIN organization p ON p.organization_id = v.payer_id
  WHERE (v.status = 'active' OR (v.self_pay AND v.status = 'cancelled'))
    AND (v.period_start_date IS NULL OR v.period_start_date <= d.start_date)
    AND (v.period_end_date IS NULL OR v.period_end_date >= d.start_date)
)
SELECT n.encounter_id, n.status, n.class_code, n.patient_id, n.start, n.start_is_instant, d.zone, d.start_date,
       COALESCE(d.end_date, d.start_date) AS end_date,
       SUBSTRING(CAST(d.start_date AS VARCHAR(10)), 1, 7) AS start_month,
       SUBSTRING(CAST(COALESCE(d.end_date, d.start_date) AS VARCHAR(10)), 1, 7) AS end_month,
       c.coverage_id, c.payer_id, c.payer_display, CASE WHEN c.encounter_id IS NULL THEN 0 ELSE 1 END AS has_payer,
       CASE WHEN s.encounter_id IS NULL THEN 0 ELSE 1 END AS is_self_pay,
       n.location_id AS facility_id, d.facility_display, n.practitioner_reference AS provider_reference,
       n.practitioner_display AS provider_display
FROM dated d
JOIN encounter n ON n.encounter_id = d.encounter_id
LEFT JOIN in_force c ON c.encounter_id = d.encounter_id AND NOT c.self_pay AND c.place = 1
LEFT JOIN in_force s ON s.encounter_id = d.encounter_id AND s.self_pay AND s.place = 1
