-- What was denied, an adjustment at a time: by the first adjudications of submissions, and as duplicates
-- of claims that were sent twice.
SELECT s.episode_id, j.claim_id, j.claim_response_id, j.line_no, j.group_code, j.reason_code, j.category, j.scenario,
       j.amount
FROM submission s
JOIN adjustment j ON j.claim_response_id = s.first_response_id
JOIN line_outcome l ON l.claim_response_id = j.claim_response_id AND l.line_no = j.line_no
WHERE l.outcome IN ('denied-full', 'denied-part') AND j.class = 'denial'
  AND j.group_code IN ('CO', 'OA', 'PI', 'PR') AND j.amount > 0
UNION ALL
SELECT s.episode_id, j.claim_id, j.claim_response_id, j.line_no, j.group_code, j.reason_code, j.category, j.scenario,
       j.amount
FROM submission s
JOIN response r ON r.episode_id = s.episode_id
JOIN adjustment j ON j.claim_response_id = r.claim_response_id
WHERE r.is_duplicate = 1 AND r.kind = 'final' AND j.reason_code = '18' AND j.amount > 0
  AND (s.first_response_id IS NULL OR s.first_response_id <> r.claim_response_id)
