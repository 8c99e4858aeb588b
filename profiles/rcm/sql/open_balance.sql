-- Who owes what is open of each episode or visit. The patient: group PR amounts of the last payer in
-- order, less what the patient paid and what was written off for the patient. A further payer: what the
-- payer before left to the patient, less what it paid, adjusted and left itself. The first payer: the
-- rest. Each at most what is open after the one before. holder is patient or the payer's id; holding_date
-- is since when it owes. Credits stand with the payer of the episode.
WITH part AS (
  SELECT d.unit_id, 'patient' AS holder, NULL AS holder_display, d.patient_since AS holding_date,
         d.patient_amount AS open_amount, 0 AS credit_amount
  FROM holder_share d WHERE d.patient_amount > 0
  UNION ALL
  SELECT d.unit_id, s.payer_id AS holder, s.payer_display AS holder_display, s.posted_before AS holding_date,
         d.second_amount AS open_amount, 0 AS credit_amount
  FROM holder_share d JOIN payer_chain s ON s.episode_id = d.unit_id AND s.place = 2 WHERE d.second_amount > 0
  UNION ALL
  SELECT d.unit_id, t.payer_id AS holder, t.payer_display AS holder_display, t.posted_before AS holding_date,
         d.third_amount AS open_amount, 0 AS credit_amount
  FROM holder_share d JOIN payer_chain t ON t.episode_id = d.unit_id AND t.place = 3 WHERE d.third_amount > 0
  UNION ALL
  SELECT d.unit_id, a.payer_id AS holder, a.payer_display AS holder_display, a.submitted_date AS holding_date,
         d.open_amount - d.patient_amount - d.second_amount - d.third_amount AS open_amount, 0 AS credit_amount
  FROM holder_share d JOIN account a ON a.unit_id = d.unit_id
  WHERE d.open_amount > d.patient_amount + d.second_amount + d.third_amount
  UNION ALL
  SELECT a.unit_id, CASE WHEN a.self_pay = 1 THEN 'patient' ELSE a.payer_id END AS holder,
         a.payer_display AS holder_display, a.submitted_date AS holding_date, 0 AS open_amount, a.credit_amount
  FROM account a WHERE a.credit_amount > 0
)
SELECT p.unit_id, a.claim_id, a.currency, p.holder, p.holder_display, a.facility_id, a.facility_display,
       a.provider_reference, a.provider_display, a.service_month, p.open_amount, p.credit_amount,
       EXTRACT(DAY FROM (CAST(k.as_of AS TIMESTAMP) - CAST(a.service_date AS TIMESTAMP))) AS service_age,
       EXTRACT(DAY FROM (CAST(k.as_of AS TIMESTAMP) - CAST(a.submitted_date AS TIMESTAMP))) AS submission_age,
       EXTRACT(DAY FROM (CAST(k.as_of AS TIMESTAMP)
                         - CAST(COALESCE(p.holding_date, a.submitted_date) AS TIMESTAMP))) AS holding_age
FROM part p JOIN account a ON a.unit_id = p.unit_id CROSS JOIN cut k
