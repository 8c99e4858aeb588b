-- The lines that the first adjudication of a submission denied. Overturned: a later adjudication of the
-- first payer pays more on the line. Resolved: that, or the denial was written off, net.
WITH later AS (
  SELECT a.claim_response_id, a.episode_id, a.paid FROM adjudicated a WHERE a.adjudication_no > 1
),
later_line AS (
  SELECT t.claim_response_id, t.episode_id, l.line_no, l.paid
  FROM later t JOIN line_outcome l ON l.claim_response_id = t.claim_response_id
  WHERE l.line_no <> 0
),
best_line AS (
  SELECT l.episode_id, l.line_no, MAX(l.paid) AS paid FROM later_line l GROUP BY l.episode_id, l.line_no
),
-- A later answer of the whole claim alone speaks for each line.
best_claim AS (
  SELECT t.episode_id, MAX(t.paid) AS paid,
         MAX(CASE WHEN n.claim_response_id IS NULL THEN t.paid END) AS paid_without_lines
  FROM later t
  LEFT JOIN (
    SELECT l.claim_response_id FROM later_line l GROUP BY l.claim_response_id
  ) n ON n.claim_response_id = t.claim_response_id
  GROUP BY t.episode_id
),
write_off AS (
  SELECT y.unit_id, SUM(y.amount) AS amount
  FROM ledger_entry y WHERE y.kind = 'denial-write-off' GROUP BY y.unit_id
),
judged AS (
  SELECT s.episode_id, s.first_response_id AS claim_response_id, d.line_no, d.line_charge,
         CASE WHEN COALESCE(CASE WHEN d.line_no = 0 THEN c.paid ELSE b.paid END, c.paid_without_lines, 0) > d.paid
              THEN 1 ELSE 0 END AS is_overturned,
         CASE WHEN w.amount > 0 THEN 1 ELSE 0 END AS is_written_off
  FROM submission s
  JOIN line_outcome d ON d.claim_response_id = s.first_response_id
  LEFT JOIN best_line b ON b.episode_id = s.episode_id AND b.line_no = d.line_no
  LEFT JOIN best_claim c ON c.episode_id = s.episode_id
  LEFT JOIN write_off w ON w.unit_id = s.episode_id
  WHERE d.outcome IN ('denied-full', 'denied-part')
)
SELECT j.episode_id, j.claim_response_id, j.line_no, j.line_charge, j.is_overturned,
       CASE WHEN j.is_overturned = 1 OR j.is_written_off = 1 THEN 1 ELSE 0 END AS is_resolved
FROM judged j
