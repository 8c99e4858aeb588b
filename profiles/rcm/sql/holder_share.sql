-- What is open of each episode or visit, parted: what the patient, the second and the third payer owe;
-- the first payer owes the rest.
WITH last_payer AS (
  SELECT c.episode_id, c.patient_amount, c.posted_date FROM payer_chain c WHERE c.from_last = 1
),
second_payer AS (
  SELECT c.episode_id, c.payer_id, c.payer_display, c.posted_before,
         c.left_before - c.paid - c.contractual - c.patient_amount AS due
  FROM payer_chain c WHERE c.place = 2
),
third_payer AS (
  SELECT c.episode_id, c.payer_id, c.payer_display, c.posted_before,
         c.left_before - c.paid - c.contractual - c.patient_amount AS due
  FROM payer_chain c WHERE c.place = 3
),
due AS (
  SELECT a.unit_id, a.open_amount,
         CASE WHEN a.self_pay = 1 THEN a.open_amount
              ELSE COALESCE(l.patient_amount, 0) - a.patient_paid - a.bad_debt - a.charity - a.small_balance
              END AS patient_due,
         CASE WHEN a.self_pay = 1 THEN a.service_date ELSE l.posted_date END AS patient_since,
         COALESCE(s.due, 0) AS second_due, COALESCE(t.due, 0) AS third_due
  FROM account a
  LEFT JOIN last_payer l ON l.episode_id = a.unit_id
  LEFT JOIN second_payer s ON s.episode_id = a.unit_id
  LEFT JOIN third_payer t ON t.episode_id = a.unit_id
  WHERE a.open_amount > 0
),
patient_part AS (
  SELECT d.unit_id, d.open_amount, d.patient_since, d.second_due, d.third_due,
         CASE WHEN d.patient_due <= 0 THEN 0 WHEN d.patient_due > d.open_amount THEN d.open_amount
              ELSE d.patient_due END AS patient_amount
  FROM due d
),
second_part AS (
  SELECT d.unit_id, d.open_amount, d.patient_since, d.patient_amount, d.third_due,
         CASE WHEN d.second_due <= 0 THEN 0
              WHEN d.second_due > d.open_amount - d.patient_amount THEN d.open_amount - d.patient_amount
              ELSE d.second_due END AS second_amount
  FROM patient_part d
)
SELECT d.unit_id, d.open_amount, d.patient_since, d.patient_amount, d.second_amount,
       CASE WHEN d.third_due <= 0 THEN 0
            WHEN d.third_due > d.open_amount - d.patient_amount - d.second_amount
            THEN d.open_amount - d.patient_amount - d.second_amount ELSE d.third_due END AS third_amount
FROM second_part d
