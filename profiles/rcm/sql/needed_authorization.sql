-- Lines of submissions whose service the payer of the claim wants to authorize: as its answer on the
-- coverage's eligibility says, made up to the day of service; as it says beside an order of the same
-- encounter; or as a rule of the practice says. is_authorized: the claim brings a number that no answer
-- limits to other days, or the payer has granted the service to the patient for the day.
WITH line AS (
  SELECT s.episode_id, s.claim_id, i.sequence, i.product_code, i.product_system, i.encounter_id, s.payer_id,
         s.patient_id, c.coverage_id, COALESCE(i.serviced_date, s.service_date) AS service_date
  FROM submission s
  JOIN claim c ON c.claim_id = s.claim_id
  JOIN claim_item i ON i.claim_id = s.claim_id
),
needed AS (
  SELECT l.claim_id, l.sequence
  FROM line l JOIN authorization_need n ON n.coverage_id = l.coverage_id AND n.product_code = l.product_code
  WHERE n.status = 'active' AND n.outcome = 'complete' AND n.created_date <= l.service_date
    AND (n.product_system IS NULL OR n.product_system = l.product_system)
  UNION
  SELECT l.claim_id, l.sequence
  FROM line l JOIN ordered_service o ON o.encounter_id = l.encounter_id AND o.product_code = l.product_code
  WHERE o.need IN ('auth-needed', 'satisfied') AND o.status NOT IN ('entered-in-error', 'revoked')
    AND (o.coverage_id IS NULL OR o.coverage_id = l.coverage_id)
  UNION
  SELECT l.claim_id, l.sequence
  FROM line l JOIN authorization_rule p ON p.product_code = l.product_code
  WHERE p.status = 'active' AND (p.payer_id IS NULL OR p.payer_id = l.payer_id)
    AND (p.product_system IS NULL OR p.product_system = l.product_system)
),
granted AS (
  SELECT r.authorization_number, r.start_date, r.end_date, c.patient_id, COALESCE(v.payer_id, c.insurer_id) AS payer_id,
         i.product_code
  FROM authorization_response r
  JOIN claim c ON c.claim_id = r.claim_id
  JOIN authorization_item i ON i.claim_id = r.claim_id
  LEFT JOIN coverage v ON v.coverage_id = c.coverage_id
  CROSS JOIN cut k
  WHERE r.status = 'active' AND r.authorization_number IS NOT NULL AND r.created_date <= k.as_of
),
numbered AS (
  SELECT l.claim_id, l.sequence
  FROM line l
  JOIN claim_authorization a ON a.claim_id = l.claim_id
  LEFT JOIN granted g ON g.authorization_number = a.authorization_number AND g.payer_id = l.payer_id
  WHERE (g.start_date IS NULL OR g.start_date <= l.service_date) AND (g.end_date IS NULL OR g.end_date >= l.service_date)
  UNION
  SELECT l.claim_id, l.sequence
  FROM line l
  JOIN granted g ON g.patient_id = l.patient_id AND g.payer_id = l.payer_id AND g.product_code = l.product_code
  WHERE (g.start_date IS NULL OR g.start_date <= l.service_date) AND (g.end_date IS NULL OR g.end_date >= l.service_date)
)
SELECT l.episode_id, l.claim_id, l.sequence, l.product_code,
       CASE WHEN e.class_code IN ('IMP', 'ACUTE', 'NONAC', 'OBSENC', 'SS') THEN 1 ELSE 0 END AS is_inpatient,
       CASE WHEN m.claim_id IS NULL THEN 0 ELSE 1 END AS is_authorized
FROM line l
JOIN needed n ON n.claim_id = l.claim_id AND n.sequence = l.sequence
LEFT JOIN numbered m ON m.claim_id = l.claim_id AND m.sequence = l.sequence
LEFT JOIN encounter e ON e.encounter_id = l.encounter_id
