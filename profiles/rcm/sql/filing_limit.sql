-- Submissions of the first payer that no final answer has closed, and the days that are left from the cut to
-- the last day on which the payer takes them. It counts from the service, by the contract that applies on
-- that day; of several the shortest limit. A month or year ends on the same day of the month, or on the
-- last of it. days_left is null where no contract says a limit of at most ten years.
WITH final_answer AS (
  SELECT r.episode_id FROM response r WHERE r.kind = 'final' AND r.is_primary = 1 GROUP BY r.episode_id
),
waiting AS (
  SELECT f.episode_id, f.claim_id, f.payer_id, f.service_date
  FROM first_submission f LEFT JOIN final_answer a ON a.episode_id = f.episode_id
  WHERE a.episode_id IS NULL AND f.voided IS NULL AND f.self_pay = 0 AND f.payer_order = 1 AND f.charge > 0
),
ruled AS (
  SELECT w.episode_id, w.service_date,
         CASE WHEN p.unit = 'd' THEN CAST(p.length AS INTEGER)
              WHEN p.unit = 'wk' THEN 7 * CAST(p.length AS INTEGER) END AS days,
         CASE WHEN p.unit = 'mo' THEN CAST(p.length AS INTEGER)
              WHEN p.unit = 'a' THEN 12 * CAST(p.length AS INTEGER) END
           + CAST(EXTRACT(MONTH FROM w.service_date) AS INTEGER) - 1 AS months,
         CAST(EXTRACT(YEAR FROM w.service_date) AS INTEGER) AS year,
         CAST(EXTRACT(DAY FROM w.service_date) AS INTEGER) AS day
  FROM waiting w JOIN filing_rule p ON p.payer_id = w.payer_id
  WHERE COALESCE(p.counted_from, 'service') = 'service'
    AND COALESCE(p.status, 'executed') NOT IN ('entered-in-error', 'cancelled', 'rejected', 'revoked', 'terminated')
    AND (p.start_date IS NULL OR p.start_date <= w.service_date)
    AND (p.end_date IS NULL OR p.end_date >= w.service_date)
),
-- Months since January of the year of service as years and the rest.
carried AS (
  SELECT r.episode_id, r.service_date, r.days, r.day, r.year, r.months,
         CASE WHEN r.months < 12 THEN 0 WHEN r.months < 24 THEN 1 WHEN r.months < 36 THEN 2
              WHEN r.months < 48 THEN 3 WHEN r.months < 60 THEN 4 WHEN r.months < 72 THEN 5
              WHEN r.months < 84 THEN 6 WHEN r.months < 96 THEN 7 WHEN r.months < 108 THEN 8
              WHEN r.months < 120 THEN 9 WHEN r.months < 132 THEN 10 END AS years
  FROM ruled r
),
placed AS (
  SELECT c.episode_id, c.service_date, c.days, c.day, c.year + c.years AS year, c.months - 12 * c.years + 1 AS month
  FROM carried c
),
bounded AS (
  SELECT p.episode_id, p.service_date, p.days, p.day,
         CAST(CAST(p.year AS VARCHAR(4)) || CASE WHEN p.month < 10 THEN '-0' ELSE '-' END
              || CAST(p.month AS VARCHAR(2)) || '-01' AS DATE) AS first_date,
         CAST(CASE WHEN p.month = 12 THEN CAST(p.year + 1 AS VARCHAR(4)) || '-01'
                   ELSE CAST(p.year AS VARCHAR(4)) || CASE WHEN p.month < 9 THEN '-0' ELSE '-' END
                        || CAST(p.month + 1 AS VARCHAR(2)) END || '-01' AS DATE) AS next_date
  FROM placed p
),
counted AS (
  SELECT b.episode_id,
         CASE WHEN b.days IS NOT NULL THEN b.days - EXTRACT(DAY FROM (CAST(k.as_of AS TIMESTAMP)
                                                                     - CAST(b.service_date AS TIMESTAMP)))
              ELSE EXTRACT(DAY FROM (CAST(b.first_date AS TIMESTAMP) - CAST(k.as_of AS TIMESTAMP))) - 1
                   + CASE WHEN b.day > EXTRACT(DAY FROM (CAST(b.next_date AS TIMESTAMP) - CAST(b.first_date AS TIMESTAMP)))
                          THEN EXTRACT(DAY FROM (CAST(b.next_date AS TIMESTAMP) - CAST(b.first_date AS TIMESTAMP)))
                          ELSE b.day END
              END AS days_left
  FROM bounded b CROSS JOIN cut k
),
nearest AS (
  SELECT c.episode_id, CAST(MIN(c.days_left) AS INTEGER) AS days_left FROM counted c GROUP BY c.episode_id
)
SELECT w.episode_id, w.claim_id, n.days_left
FROM waiting w LEFT JOIN nearest n ON n.episode_id = w.episode_id
