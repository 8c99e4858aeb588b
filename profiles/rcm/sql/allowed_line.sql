-- Lines of submissions whose standing adjudication says what is allowed and whose price a contract of the
-- payer fixes on the day of service. Expected is the lesser of price times quantity and charge; of several
-- prices the highest counts.
WITH standing AS (
  SELECT a.episode_id, a.claim_response_id, a.claim_id, a.currency, a.posted_date
  FROM adjudicated a WHERE a.latest_no = 1
),
candidate AS (
  SELECT s.episode_id, s.claim_response_id, s.claim_id, s.posted_date, l.line_no, l.allowed, l.paid, l.line_charge,
         p.product_code, p.contract_id, p.clause_number, p.clause_text,
         CAST(CAST(p.price AS DECIMAL(18, 4)) * CAST(COALESCE(i.quantity, 1) AS DECIMAL(18, 4))
              AS DECIMAL(28, 6)) AS price
  FROM submission f
  JOIN standing s ON s.episode_id = f.episode_id
  JOIN line_outcome l ON l.claim_response_id = s.claim_response_id
  JOIN claim_item i ON i.claim_id = s.claim_id AND i.sequence = l.line_no
  JOIN contract_price p ON p.payer_id = f.payer_id AND p.product_code = i.product_code
  WHERE l.allowed IS NOT NULL AND p.currency = s.currency
    AND (p.product_system IS NULL OR p.product_system = i.product_system)
    AND COALESCE(p.status, 'executed') NOT IN ('entered-in-error', 'cancelled', 'rejected', 'revoked', 'terminated')
    AND (p.start_date IS NULL OR p.start_date <= f.service_date)
    AND (p.end_date IS NULL OR p.end_date >= f.service_date)
),
priced AS (
  SELECT c.episode_id, c.claim_response_id, c.claim_id, c.posted_date, c.line_no, c.allowed, c.paid, c.line_charge,
         c.product_code, c.contract_id, c.clause_number, c.clause_text, c.price,
         ROW_NUMBER() OVER (PARTITION BY c.claim_response_id, c.line_no
                            ORDER BY c.price DESC, c.contract_id, c.clause_number, c.clause_text) AS place
  FROM candidate c
  WHERE c.price IS NOT NULL
)
SELECT p.episode_id, p.claim_response_id, p.claim_id, p.posted_date, p.line_no, p.allowed, p.paid, p.line_charge,
       p.product_code, p.contract_id, p.clause_number, p.clause_text,
       CASE WHEN p.price < p.line_charge THEN p.price ELSE p.line_charge END AS expected,
       CASE WHEN p.price < p.line_charge THEN p.price ELSE p.line_charge END - p.allowed AS underpaid
FROM priced p
WHERE p.place = 1
