-- The ledger up to the cut: charges, and what reduces them. kind: charge, insurer-payment, contractual,
-- patient-payment, denial-write-off, bad-debt, charity, small-balance. unit_id is the episode or the visit.
-- An ExplanationOfBenefit tells the same adjudication from the payer's side: it counts only for claims
-- that no ClaimResponse with money answers.
WITH answered_claim AS (
  SELECT a.claim_id FROM adjudicated a GROUP BY a.claim_id
),
explained_line AS (
  SELECT x.explanation_of_benefit_id, x.currency, SUM(CAST(x.amount AS DECIMAL(28, 6))) AS paid
  FROM explanation_of_benefit_adjudication x
  GROUP BY x.explanation_of_benefit_id, x.currency
),
practice AS (
  SELECT p.payment_id, p.claim_id, p.encounter_id, p.currency, p.payment_date,
         CASE WHEN p.adjustment IS NULL THEN 'patient-payment' ELSE p.adjustment END AS kind,
         CAST(p.amount AS DECIMAL(28, 6)) AS amount
  FROM payment_detail p CROSS JOIN cut k
  WHERE p.status = 'active' AND p.payment_date <= k.as_of
    AND (p.adjustment IS NOT NULL OR p.patient_payer_id IS NOT NULL)
)
SELECT f.episode_id AS unit_id, f.currency, f.submitted_date AS entry_date, 'charge' AS kind,
       f.charge AS amount, f.claim_id AS source
FROM first_submission f
UNION ALL
SELECT v.visit_id AS unit_id, v.currency, v.service_date AS entry_date, 'charge' AS kind,
       v.charge AS amount, v.visit_id AS source
FROM self_pay_visit v
UNION ALL
SELECT a.episode_id AS unit_id, a.currency, a.posted_date AS entry_date, 'insurer-payment' AS kind,
       a.paid AS amount, a.claim_response_id AS source
FROM adjudicated a
WHERE a.paid <> 0
UNION ALL
SELECT a.episode_id AS unit_id, a.currency, a.posted_date AS entry_date, 'contractual' AS kind,
       a.contractual AS amount, a.claim_response_id AS source
FROM adjudicated a
WHERE a.contractual <> 0
UNION ALL
SELECT e.episode_id AS unit_id, e.currency, b.created_date AS entry_date, 'insurer-payment' AS kind,
       COALESCE(CASE WHEN b.payment_currency = e.currency THEN CAST(b.payment_amount AS DECIMAL(28, 6)) END,
                CASE WHEN b.total_paid_currency = e.currency THEN CAST(b.total_paid AS DECIMAL(28, 6)) END,
                x.paid, 0) AS amount,
       b.explanation_of_benefit_id AS source
FROM explanation_of_benefit b
CROSS JOIN cut k
JOIN episode e ON e.claim_id = b.claim_id
LEFT JOIN explained_line x ON x.explanation_of_benefit_id = b.explanation_of_benefit_id AND x.currency = e.currency
LEFT JOIN answered_claim n ON n.claim_id = b.claim_id
WHERE b.status = 'active' AND b.use = 'claim' AND b.outcome IN ('complete', 'partial')
  AND b.created_date <= k.as_of AND n.claim_id IS NULL
UNION ALL
SELECT e.episode_id AS unit_id, p.currency, p.payment_date AS entry_date, p.kind, p.amount,
       p.payment_id AS source
FROM practice p JOIN episode e ON e.claim_id = p.claim_id AND e.currency = p.currency
UNION ALL
SELECT v.visit_id AS unit_id, p.currency, p.payment_date AS entry_date, p.kind, p.amount,
       p.payment_id AS source
FROM practice p JOIN self_pay_visit v ON v.visit_id = p.encounter_id AND v.currency = p.currency
