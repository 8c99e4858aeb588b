-- Lines of submissions of the period that were allowed less than the contract lets expect, by more than the
-- tolerance, on claims that lack the least total. Their sum is that of q-underpayments where there is no
-- tolerance. Parameters: period_start, period_end (days of submission, inclusive), currency, tolerance (an
-- amount), tolerance_percent (of what is expected), min_total.
WITH short AS (
  SELECT l.claim_id, l.claim_response_id, l.line_no, l.product_code, l.line_charge, l.expected, l.allowed, l.paid,
         l.underpaid, l.contract_id, l.clause_number, l.clause_text, l.posted_date, s.payer_id, s.payer_display,
         s.service_date
  FROM allowed_line l
  JOIN submission s ON s.episode_id = l.episode_id
  WHERE s.submitted_date >= :period_start AND s.submitted_date <= :period_end AND s.currency = :currency
    AND l.underpaid > 0 AND l.underpaid > :tolerance AND l.underpaid * 100 > l.expected * :tolerance_percent
),
total AS (
  SELECT h.claim_id, SUM(h.underpaid) AS claim_underpaid FROM short h GROUP BY h.claim_id
)
SELECT h.claim_id, h.claim_response_id, h.line_no, h.product_code, h.line_charge, h.expected, h.allowed, h.paid,
       h.underpaid, h.contract_id, h.clause_number, h.clause_text, h.posted_date, h.payer_id, h.payer_display,
       h.service_date, t.claim_underpaid
FROM short h JOIN total t ON t.claim_id = h.claim_id
WHERE t.claim_underpaid >= :min_total
