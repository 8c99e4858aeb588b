-- What payers answered to claims that count, up to the cut. kind: rejected (it never entered
-- adjudication), accepted, pended, reversal (its amounts are negative), final.
WITH dated AS (
  SELECT r.claim_response_id, r.claim_id, e.episode_id, e.is_primary, e.is_duplicate, e.frequency,
         e.payer_id, e.payer_order, e.currency, e.charge, r.created, r.outcome, r.claim_status_code,
         COALESCE(CASE WHEN r.created_is_instant THEN business_date(r.created, e.zone) END,
                  r.created_date) AS posted_date,
         CASE WHEN r.total_benefit_currency = e.currency THEN CAST(r.total_benefit AS DECIMAL(28, 6)) END
           AS total_benefit,
         CASE WHEN r.payment_currency = e.currency THEN CAST(r.payment_amount AS DECIMAL(28, 6)) END
           AS payment_amount
  FROM claim_response r JOIN episode e ON e.claim_id = r.claim_id
  WHERE r.status = 'active' AND r.use = 'claim'
)
SELECT d.claim_response_id, d.claim_id, d.episode_id, d.is_primary, d.is_duplicate, d.frequency, d.payer_id,
       d.payer_order, d.currency, d.charge, d.created, d.posted_date, d.total_benefit, d.payment_amount,
       CASE WHEN d.outcome = 'error' THEN 'rejected' WHEN d.outcome = 'queued' THEN 'accepted'
            WHEN d.claim_status_code = '22' THEN 'reversal' WHEN d.outcome = 'partial' THEN 'pended'
            ELSE 'final' END AS kind
FROM dated d CROSS JOIN cut k
WHERE d.posted_date <= k.as_of
