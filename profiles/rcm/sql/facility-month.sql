-- Each facility and month of service: charges, payments, their rate, encounters, patients, and the mean days
-- from first submission to payment. Everything is summed at the grain of an episode or visit before it is
-- joined, so a claim with several payments counts once.
-- Parameters: minCharges (only facilities and months with more charges than this), currency.
WITH visitor AS (
  SELECT f.episode_id AS unit_id, f.patient_id FROM first_submission f
  UNION ALL
  SELECT v.visit_id AS unit_id, e.patient_id FROM self_pay_visit v JOIN encounter e ON e.encounter_id = v.visit_id
  WHERE v.currency = :currency
),
fact AS (
  SELECT a.facility_id, a.facility_display, a.service_month, a.charge, a.applied, a.encounter_id, p.patient_id,
         CAST(s.payment_days AS INTEGER) AS payment_days
  FROM account a
  LEFT JOIN visitor p ON p.unit_id = a.unit_id
  LEFT JOIN submission s ON s.episode_id = a.unit_id
  WHERE a.currency = :currency AND a.charge > 0
)
SELECT f.facility_id, MIN(f.facility_display) AS facility_display, f.service_month AS month,
       SUM(f.charge) AS charges, SUM(f.applied) AS payments,
       ROUND(CAST(CAST(SUM(f.applied) AS DECIMAL(28, 6)) / NULLIF(CAST(SUM(f.charge) AS DECIMAL(28, 6)), 0)
                  AS DECIMAL(38, 10)), 6) AS collection_rate,
       COUNT(DISTINCT f.encounter_id) AS encounters, COUNT(DISTINCT f.patient_id) AS patients,
       ROUND(CAST(CAST(SUM(f.payment_days) AS DECIMAL(18, 4)) / NULLIF(CAST(COUNT(f.payment_days) AS DECIMAL(18, 4)), 0)
                  AS DECIMAL(38, 10)), 6) AS mean_payment_days
FROM fact f
GROUP BY f.facility_id, f.service_month
HAVING SUM(f.charge) > :minCharges
