-- Each answer that bears money, in sums. adjudication_no counts the final answers of the first payer
-- from 1; a denial as a duplicate of a claim that was sent twice is none. latest_no counts from the end.
WITH line_sum AS (
  SELECT l.claim_response_id, SUM(l.paid) AS paid, SUM(l.contractual) AS contractual,
         SUM(l.patient_amount) AS patient_amount, SUM(l.patient_share) AS patient_share,
         SUM(CASE WHEN l.outcome IN ('denied-full', 'denied-part') THEN 1 ELSE 0 END) AS denied_lines,
         SUM(CASE WHEN l.outcome IN ('denied-full', 'denied-part') THEN l.line_charge ELSE 0 END) AS denied_charge,
         MAX(l.says_duplicate) AS says_duplicate
  FROM line_outcome l
  GROUP BY l.claim_response_id
),
benefit AS (
  SELECT a.claim_response_id
  FROM adjudication a JOIN response r ON r.claim_response_id = a.claim_response_id
  WHERE a.category = 'benefit' AND a.currency = r.currency
  GROUP BY a.claim_response_id
),
answer AS (
  SELECT r.claim_response_id, r.claim_id, r.episode_id, r.kind, r.is_primary, r.frequency, r.payer_id,
         r.payer_order, r.currency, r.charge, r.created, r.posted_date,
         CASE WHEN b.claim_response_id IS NOT NULL THEN COALESCE(l.paid, 0)
              ELSE COALESCE(r.total_benefit, r.payment_amount, 0) END AS paid,
         COALESCE(l.contractual, 0) AS contractual, COALESCE(l.patient_amount, 0) AS patient_amount,
         COALESCE(l.patient_share, 0) AS patient_share, COALESCE(l.denied_lines, 0) AS denied_lines,
         COALESCE(l.denied_charge, 0) AS denied_charge,
         CASE WHEN r.kind = 'final' AND r.is_primary = 1
                   AND NOT (r.is_duplicate = 1 AND COALESCE(l.says_duplicate, 0) = 1)
              THEN 1 ELSE 0 END AS is_counted
  FROM response r
  LEFT JOIN line_sum l ON l.claim_response_id = r.claim_response_id
  LEFT JOIN benefit b ON b.claim_response_id = r.claim_response_id
  WHERE r.kind IN ('final', 'pended', 'reversal')
)
SELECT a.claim_response_id, a.claim_id, a.episode_id, a.kind, a.is_primary, a.frequency, a.payer_id,
       a.payer_order, a.currency, a.charge, a.posted_date, a.paid, a.contractual, a.patient_amount,
       a.patient_share, a.denied_lines,
       CASE WHEN a.denied_charge > a.charge THEN a.charge ELSE a.denied_charge END AS denied_charge,
       CASE WHEN a.is_counted = 1 THEN ROW_NUMBER() OVER (
         PARTITION BY a.episode_id, a.is_counted ORDER BY a.created, a.claim_response_id) END AS adjudication_no,
       CASE WHEN a.is_counted = 1 THEN ROW_NUMBER() OVER (
         PARTITION BY a.episode_id, a.is_counted ORDER BY a.created DESC, a.claim_response_id DESC) END AS latest_no
FROM answer a
