-- Refunds to patients, and what payers kept of payments or added to them for reasons beside claims (PLB), by
-- reason. What a payer takes back from a claim is a reversal, and among neither. What was kept is positive.
-- Parameters: period_start, period_end (days of payment, inclusive), currency, by_payer, by_month, by_reason,
-- by_episode.
WITH entry AS (
  SELECT p.payment_id, p.payment_date, NULL AS payer_id, NULL AS payer_display, 'refund' AS reason,
         0 - CAST(p.amount AS DECIMAL(28, 6)) AS refund, CAST(0 AS DECIMAL(28, 6)) AS kept
  FROM payment_detail p
  WHERE p.status = 'active' AND p.patient_payer_id IS NOT NULL AND p.adjustment IS NULL AND p.amount < 0
    AND p.currency = :currency
  UNION ALL
  SELECT a.payment_id, a.payment_date, a.insurer_id AS payer_id, COALESCE(o.name, a.insurer_display) AS payer_display,
         a.reason_code AS reason, CAST(0 AS DECIMAL(28, 6)) AS refund, 0 - CAST(a.amount AS DECIMAL(28, 6)) AS kept
  FROM payment_adjustment a LEFT JOIN organization o ON o.organization_id = a.insurer_id
  WHERE a.status = 'active' AND a.currency = :currency
),
fact AS (
  SELECT e.payment_id AS unit_id, e.payer_id, e.payer_display, e.reason, e.refund, e.kept,
         SUBSTRING(CAST(e.payment_date AS VARCHAR(10)), 1, 7) AS month
  FROM entry e CROSS JOIN cut k
  WHERE e.payment_date >= :period_start AND e.payment_date <= :period_end AND e.payment_date <= k.as_of
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN x.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN x.payer_display END AS payer_display,
         CASE WHEN :by_month = 1 THEN x.month END AS month,
         CASE WHEN :by_reason = 1 THEN x.reason END AS reason,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.refund, x.kept
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.month, s.reason, s.unit_id,
       SUM(CASE WHEN s.refund <> 0 THEN 1 ELSE 0 END) AS refunds,
       SUM(s.refund) AS refunds_amount,
       SUM(CASE WHEN s.kept <> 0 THEN 1 ELSE 0 END) AS adjustments,
       SUM(s.kept) AS adjustments_amount,
       SUM(CASE WHEN s.kept > 0 THEN 1 ELSE 0 END) AS recoupments,
       SUM(CASE WHEN s.kept > 0 THEN s.kept ELSE 0 END) AS recoupments_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.month, s.reason, s.unit_id
