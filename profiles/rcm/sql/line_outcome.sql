-- The outcome of each adjudicated line: paid, contractual, patient-share, cob, denied-full, denied-part,
-- zero-charge, reversal, informational. Denial is read from the adjustments, never from a status code.
WITH payment AS (
  SELECT a.claim_response_id,
         CASE WHEN a.level = 'claim' THEN 0 ELSE COALESCE(a.item_sequence, -1) END AS line_no,
         SUM(CASE WHEN a.category = 'benefit' THEN CAST(a.amount AS DECIMAL(28, 6)) END) AS paid,
         SUM(CASE WHEN a.category = 'eligible' THEN CAST(a.amount AS DECIMAL(28, 6)) END) AS allowed
  FROM adjudication a JOIN response r ON r.claim_response_id = a.claim_response_id
  WHERE a.currency = r.currency AND r.kind IN ('final', 'pended', 'reversal')
  GROUP BY a.claim_response_id, CASE WHEN a.level = 'claim' THEN 0 ELSE COALESCE(a.item_sequence, -1) END
),
paid_by_line AS (
  SELECT p.claim_response_id FROM payment p
  WHERE p.line_no <> 0 AND p.paid IS NOT NULL GROUP BY p.claim_response_id
),
adjusted AS (
  SELECT j.claim_response_id, j.line_no, SUM(j.amount) AS adjusted,
         SUM(CASE WHEN j.group_code <> 'PR' AND j.class = 'contractual' THEN j.amount ELSE 0 END) AS contractual,
         SUM(CASE WHEN j.group_code = 'PR' AND j.class <> 'cob' THEN j.amount ELSE 0 END) AS patient_amount,
         SUM(CASE WHEN j.group_code = 'PR' AND j.class IN ('patient-share', 'contractual')
                  THEN j.amount ELSE 0 END) AS patient_share,
         SUM(CASE WHEN j.class = 'cob' THEN j.amount ELSE 0 END) AS cob,
         SUM(CASE WHEN j.class = 'denial' AND j.group_code IN ('CO', 'OA', 'PI', 'PR')
                  THEN j.amount ELSE 0 END) AS denied,
         MAX(CASE WHEN j.reason_code = '18' THEN 1 ELSE 0 END) AS says_duplicate
  FROM adjustment j
  GROUP BY j.claim_response_id, j.line_no
),
line AS (
  SELECT COALESCE(p.claim_response_id, a.claim_response_id) AS claim_response_id,
         COALESCE(p.line_no, a.line_no) AS line_no, p.paid, p.allowed, a.adjusted,
         COALESCE(a.contractual, 0) AS contractual, COALESCE(a.patient_amount, 0) AS patient_amount,
         COALESCE(a.patient_share, 0) AS patient_share, COALESCE(a.cob, 0) AS cob,
         COALESCE(a.denied, 0) AS denied, COALESCE(a.says_duplicate, 0) AS says_duplicate
  FROM payment p
  FULL JOIN adjusted a ON a.claim_response_id = p.claim_response_id AND a.line_no = p.line_no
),
item AS (
  SELECT i.claim_id, i.sequence, SUM(CAST(i.net AS DECIMAL(28, 6))) AS net
  FROM claim_item i GROUP BY i.claim_id, i.sequence
),
charged AS (
  SELECT l.claim_response_id, r.claim_id, r.episode_id, r.kind, l.line_no, l.allowed,
         -- What the whole claim was paid repeats what its lines were paid.
         CASE WHEN l.line_no = 0 AND b.claim_response_id IS NOT NULL THEN 0 ELSE COALESCE(l.paid, 0) END AS paid,
         COALESCE(CASE WHEN l.line_no = 0 THEN r.charge ELSE i.net END,
                  COALESCE(l.paid, 0) + COALESCE(l.adjusted, 0)) AS line_charge,
         l.contractual, l.patient_amount, l.patient_share, l.cob, l.denied, l.says_duplicate
  FROM line l
  JOIN response r ON r.claim_response_id = l.claim_response_id
  LEFT JOIN paid_by_line b ON b.claim_response_id = l.claim_response_id
  LEFT JOIN item i ON i.claim_id = r.claim_id AND i.sequence = l.line_no
)
SELECT c.claim_response_id, c.claim_id, c.episode_id, c.line_no, c.line_charge, c.paid, c.allowed,
       c.contractual, c.patient_amount, c.patient_share, c.cob, c.denied, c.says_duplicate,
       CASE WHEN c.kind = 'reversal' THEN 'reversal'
            WHEN c.denied > 0 AND c.paid = 0 AND c.patient_share = 0 THEN 'denied-full'
            WHEN c.denied > 0 THEN 'denied-part'
            WHEN c.paid > 0 THEN 'paid'
            WHEN c.cob > 0 THEN 'cob'
            WHEN c.patient_share > 0 THEN 'patient-share'
            WHEN c.contractual > 0 THEN 'contractual'
            WHEN c.line_charge = 0 THEN 'zero-charge'
            ELSE 'informational' END AS outcome
FROM charged c
