-- Money that can still be had at the cut, a row for each claim or visit and kind of work: what is at stake,
-- and how often the same ended well with this payer (won of decided).
--   denial       denied lines that are not resolved, without an appeal that is open or was lost; by category
--   rejection    the newest claim of the episode was rejected and nothing was sent since
--   underpayment lines allowed less than the contract lets expect
--   no-response  no answer for longer than nine in ten answers of this payer took
--   unbilled     finished visits with charges and no active claim
-- History: denied lines that were overturned of those resolved, by payer and category; rejected episodes that
-- were paid of those adjudicated; decided disputes; submissions paid of those adjudicated. Parameters:
-- currency.
WITH payer_paid AS (
  SELECT s.payer_id, SUM(s.is_paid) AS won, SUM(s.is_adjudicated) AS decided
  FROM submission s WHERE s.currency = :currency AND s.payer_id IS NOT NULL GROUP BY s.payer_id
),
answer_age AS (
  SELECT r.payer_id, MIN(r.answer_days) AS usual_days
  FROM (
    SELECT x.payer_id, x.answer_days,
           ROW_NUMBER() OVER (PARTITION BY x.payer_id ORDER BY x.answer_days) AS place,
           COUNT(x.answer_days) OVER (PARTITION BY x.payer_id) AS answers
    FROM (
      SELECT s.payer_id,
             EXTRACT(DAY FROM (CAST(s.first_response_date AS TIMESTAMP) - CAST(s.submitted_date AS TIMESTAMP)))
               AS answer_days
      FROM submission s WHERE s.is_adjudicated = 1 AND s.payer_id IS NOT NULL AND s.currency = :currency
    ) x
  ) r
  WHERE r.place * 10 >= r.answers * 9
  GROUP BY r.payer_id
),
denied_amount AS (
  SELECT d.episode_id, d.claim_response_id, d.line_no, MIN(d.category) AS category, SUM(d.amount) AS amount
  FROM denial d GROUP BY d.episode_id, d.claim_response_id, d.line_no
),
judged AS (
  SELECT l.episode_id, l.claim_response_id, l.line_no, l.is_overturned, l.is_resolved, a.category, a.amount
  FROM denied_line l
  JOIN denied_amount a ON a.claim_response_id = l.claim_response_id AND a.line_no = l.line_no
),
denial_history AS (
  SELECT s.payer_id, j.category, SUM(j.is_overturned) AS won, SUM(j.is_resolved) AS decided
  FROM judged j JOIN submission s ON s.episode_id = j.episode_id
  WHERE s.currency = :currency AND s.payer_id IS NOT NULL
  GROUP BY s.payer_id, j.category
),
appealed AS (
  SELECT t.episode_id FROM task_fact t
  WHERE t.code = 'appeal' AND (t.decision IS NULL OR t.decision = 'upheld') GROUP BY t.episode_id
),
open_denial AS (
  SELECT j.episode_id, j.claim_response_id, j.category, SUM(j.amount) AS amount
  FROM judged j LEFT JOIN appealed p ON p.episode_id = j.episode_id
  WHERE j.is_resolved = 0 AND p.episode_id IS NULL
  GROUP BY j.episode_id, j.claim_response_id, j.category
),
rejection_history AS (
  SELECT s.payer_id, SUM(s.is_paid) AS won, SUM(s.is_adjudicated) AS decided
  FROM submission s WHERE s.is_rejected = 1 AND s.currency = :currency AND s.payer_id IS NOT NULL
  GROUP BY s.payer_id
),
newest AS (
  SELECT e.episode_id, e.claim_id, e.created_date, e.charge,
         ROW_NUMBER() OVER (PARTITION BY e.episode_id ORDER BY e.created DESC, e.claim_id DESC) AS place
  FROM episode e WHERE e.is_primary = 1 AND e.is_duplicate = 0
),
answered AS (
  SELECT r.claim_id, MAX(CASE WHEN r.kind = 'rejected' THEN 1 ELSE 0 END) AS is_rejected,
         MAX(CASE WHEN r.kind IN ('final', 'pended', 'reversal') THEN 1 ELSE 0 END) AS is_decided,
         MAX(r.posted_date) AS posted_date, MAX(r.claim_response_id) AS claim_response_id
  FROM response r GROUP BY r.claim_id
),
underpaid AS (
  SELECT l.claim_id, l.claim_response_id, l.episode_id, MAX(l.posted_date) AS posted_date,
         SUM(l.underpaid) AS amount
  FROM allowed_line l WHERE l.underpaid > 0
  GROUP BY l.claim_id, l.claim_response_id, l.episode_id
),
dispute_history AS (
  SELECT s.payer_id, SUM(CASE WHEN t.decision = 'overturned' THEN 1 ELSE 0 END) AS won, COUNT(t.task_id) AS decided
  FROM task_fact t JOIN submission s ON s.episode_id = t.episode_id
  WHERE t.code = 'underpayment-dispute' AND t.decision IN ('overturned', 'upheld') AND s.payer_id IS NOT NULL
  GROUP BY s.payer_id
),
disputed AS (
  SELECT t.episode_id FROM task_fact t WHERE t.code = 'underpayment-dispute' GROUP BY t.episode_id
),
self_pay_account AS (
  SELECT a.account_id FROM account_coverage a JOIN coverage v ON v.coverage_id = a.coverage_id
  WHERE v.self_pay GROUP BY a.account_id
),
account_payer AS (
  SELECT a.account_id, MIN(v.payer_id) AS payer_id, MIN(v.payer_display) AS payer_display
  FROM account_coverage a JOIN coverage v ON v.coverage_id = a.coverage_id
  WHERE v.payer_id IS NOT NULL AND COALESCE(a.priority, 1) = 1 GROUP BY a.account_id
),
claimed AS (
  SELECT i.encounter_id FROM claim_item i JOIN claim c ON c.claim_id = i.claim_id
  WHERE i.encounter_id IS NOT NULL AND c.use = 'claim' AND c.status = 'active' GROUP BY i.encounter_id
),
unbilled AS (
  SELECT n.encounter_id, MIN(p.payer_id) AS payer_id, MIN(p.payer_display) AS payer_display,
         MIN(COALESCE(i.occurrence_date, n.start_date)) AS service_date, SUM(CAST(i.price AS DECIMAL(28, 6))) AS amount
  FROM encounter n
  CROSS JOIN cut k
  JOIN charge_item i ON i.encounter_id = n.encounter_id
  LEFT JOIN self_pay_account y ON y.account_id = i.account_id
  LEFT JOIN account_payer p ON p.account_id = i.account_id
  LEFT JOIN claimed c ON c.encounter_id = n.encounter_id
  WHERE n.status = 'finished' AND COALESCE(n.end_date, n.start_date) <= k.as_of AND i.currency = :currency
    AND i.status IN ('planned', 'billable', 'billed') AND y.account_id IS NULL AND c.encounter_id IS NULL
  GROUP BY n.encounter_id
),
found AS (
  SELECT 'denial' AS type, s.claim_id AS unit_id, d.claim_response_id AS response_id, s.payer_id, s.payer_display,
         d.category, d.amount, s.service_date, s.first_response_date AS notice_date, h.won, h.decided
  FROM open_denial d
  JOIN submission s ON s.episode_id = d.episode_id
  LEFT JOIN denial_history h ON h.payer_id = s.payer_id AND h.category = d.category
  WHERE s.currency = :currency
  UNION ALL
  SELECT 'rejection' AS type, w.claim_id AS unit_id, a.claim_response_id AS response_id, s.payer_id, s.payer_display,
         'rejected' AS category, w.charge AS amount, s.service_date, a.posted_date AS notice_date, h.won, h.decided
  FROM submission s
  JOIN newest w ON w.episode_id = s.episode_id AND w.place = 1
  JOIN answered a ON a.claim_id = w.claim_id
  LEFT JOIN rejection_history h ON h.payer_id = s.payer_id
  WHERE a.is_rejected = 1 AND a.is_decided = 0 AND s.is_adjudicated = 0 AND s.currency = :currency
  UNION ALL
  SELECT 'underpayment' AS type, u.claim_id AS unit_id, u.claim_response_id AS response_id, s.payer_id,
         s.payer_display, 'underpaid' AS category, u.amount, s.service_date, u.posted_date AS notice_date,
         h.won, h.decided
  FROM underpaid u
  JOIN submission s ON s.episode_id = u.episode_id
  LEFT JOIN disputed t ON t.episode_id = u.episode_id
  LEFT JOIN dispute_history h ON h.payer_id = s.payer_id
  WHERE t.episode_id IS NULL AND s.currency = :currency
  UNION ALL
  SELECT 'no-response' AS type, w.claim_id AS unit_id, NULL AS response_id, s.payer_id, s.payer_display,
         'no-response' AS category, w.charge AS amount, s.service_date, NULL AS notice_date, h.won, h.decided
  FROM submission s
  CROSS JOIN cut k
  JOIN newest w ON w.episode_id = s.episode_id AND w.place = 1
  LEFT JOIN answered a ON a.claim_id = w.claim_id
  LEFT JOIN payer_paid h ON h.payer_id = s.payer_id
  LEFT JOIN answer_age g ON g.payer_id = s.payer_id
  WHERE COALESCE(a.is_rejected, 0) = 0 AND COALESCE(a.is_decided, 0) = 0 AND s.currency = :currency
    AND (g.usual_days IS NULL
         OR EXTRACT(DAY FROM (CAST(k.as_of AS TIMESTAMP) - CAST(w.created_date AS TIMESTAMP))) > g.usual_days)
  UNION ALL
  SELECT 'unbilled' AS type, b.encounter_id AS unit_id, NULL AS response_id, b.payer_id, b.payer_display,
         'unbilled' AS category, b.amount, b.service_date, NULL AS notice_date, h.won, h.decided
  FROM unbilled b LEFT JOIN payer_paid h ON h.payer_id = b.payer_id
)
SELECT f.type, f.unit_id, f.response_id, f.payer_id, f.payer_display, f.category, f.amount, f.service_date,
       f.notice_date, COALESCE(f.won, 0) AS won, COALESCE(f.decided, 0) AS decided,
       CASE WHEN f.decided > 0
            THEN ROUND(CAST(CAST(f.amount AS DECIMAL(28, 6)) * CAST(f.won AS DECIMAL(18, 0))
                            / NULLIF(CAST(f.decided AS DECIMAL(18, 0)), 0) AS DECIMAL(38, 10)), 6) END AS expected_amount
FROM found f
WHERE f.amount > 0
