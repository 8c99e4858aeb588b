-- Episodes and visits with a credit at the cut, and the day since which what was paid and adjusted has
-- exceeded the charge without a break.
WITH movement AS (
  SELECT y.unit_id, y.currency, y.entry_date,
         SUM(CASE WHEN y.kind = 'charge' THEN y.amount ELSE 0 - y.amount END) AS amount
  FROM ledger_entry y
  JOIN account a ON a.unit_id = y.unit_id AND a.currency = y.currency
  WHERE a.credit_amount > 0
  GROUP BY y.unit_id, y.currency, y.entry_date
),
running AS (
  SELECT m.unit_id, m.currency, m.entry_date,
         SUM(m.amount) OVER (PARTITION BY m.unit_id, m.currency ORDER BY m.entry_date
                             ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS balance
  FROM movement m
),
settled AS (
  SELECT r.unit_id, r.currency, MAX(CASE WHEN r.balance >= 0 THEN r.entry_date END) AS settled_date
  FROM running r
  GROUP BY r.unit_id, r.currency
)
SELECT s.unit_id, s.currency, MIN(r.entry_date) AS since_date
FROM settled s
JOIN running r ON r.unit_id = s.unit_id AND r.currency = s.currency
WHERE s.settled_date IS NULL OR r.entry_date > s.settled_date
GROUP BY s.unit_id, s.currency
