-- Cash of the period as the bank sees it: what insurers and patients paid, less what was taken back; beside
-- it two amounts that the record does not hold and the caller gives.
-- Parameters: period_start, period_end (days of payment, inclusive), currency, cost (of the revenue cycle),
-- npsr (net patient service revenue).
WITH fact AS (
  SELECT p.payment_id, CAST(p.amount AS DECIMAL(28, 6)) AS amount
  FROM payment_detail p CROSS JOIN cut k
  WHERE p.status = 'active' AND p.adjustment IS NULL AND p.currency = :currency AND p.payment_date <= k.as_of
    AND p.payment_date >= :period_start AND p.payment_date <= :period_end
)
SELECT COUNT(DISTINCT f.payment_id) AS payments, SUM(f.amount) AS cash_amount,
       CAST(:cost AS DECIMAL(28, 6)) AS cost_amount, CAST(:npsr AS DECIMAL(28, 6)) AS npsr_amount
FROM fact f
