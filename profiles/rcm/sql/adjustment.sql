-- Each adjustment of a line with its class, category and scenario. Line 0 is the whole claim, -1 a line that
-- answers none of the claim's.
SELECT r.claim_response_id, r.claim_id, r.episode_id,
       CASE WHEN a.level = 'claim' THEN 0 ELSE COALESCE(a.item_sequence, -1) END AS line_no,
       a.group_code, a.reason_code, CAST(a.amount AS DECIMAL(28, 6)) AS amount,
       COALESCE(p.class, t.class, 'denial') AS class,
       COALESCE(p.category, t.category, 'other') AS category,
       COALESCE(p.scenario, t.scenario, 'other') AS scenario
FROM adjudication a
JOIN response r ON r.claim_response_id = a.claim_response_id
LEFT JOIN denial_class p ON p.reason_code = a.reason_code AND p.payer_id = r.payer_id
LEFT JOIN denial_class t ON t.reason_code = a.reason_code AND t.payer_id = ''
WHERE a.group_code IS NOT NULL AND a.reason_code IS NOT NULL AND a.currency = r.currency
  AND r.kind IN ('final', 'pended', 'reversal')
