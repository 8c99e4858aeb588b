-- What makes claims one episode: a claim and one before it. A claim names its prior; a claim to a
-- further payer names the answer of the one before; and a claim that is sent twice (same identifier,
-- patient, day of service and total, without a word that it follows another) is that first claim again.
SELECT r.claim_id, r.related_claim_id AS earlier_id, 0 AS is_duplicate
FROM claim_related r
JOIN claim_fact a ON a.claim_id = r.claim_id
JOIN claim_fact b ON b.claim_id = r.related_claim_id
WHERE r.relationship = 'prior' AND r.related_claim_id <> r.claim_id
UNION ALL
SELECT n.claim_id, p.claim_id AS earlier_id, 0 AS is_duplicate
FROM claim_insurance n
JOIN claim_response p ON p.claim_response_id = n.claim_response_id
JOIN claim_fact a ON a.claim_id = n.claim_id
JOIN claim_fact b ON b.claim_id = p.claim_id
WHERE p.claim_id <> n.claim_id
UNION ALL
SELECT s.claim_id, s.earlier_id, 1 AS is_duplicate
FROM (
  SELECT c.claim_id, FIRST_VALUE(c.claim_id) OVER (
           PARTITION BY c.identifier, c.identifier_value, c.patient_id, c.service_date, c.charge, c.currency
           ORDER BY c.created, c.claim_id) AS earlier_id
  FROM claim_fact c
  WHERE c.identifier_value IS NOT NULL AND c.is_related = 0 AND c.follows_payer = 0 AND c.frequency = '1'
) s
WHERE s.claim_id <> s.earlier_id
