-- Denied submissions of the period by the days from the denial to its resolution: the payment that overturned it, or the write-off.
-- Parameters: period_start, period_end (days of submission, inclusive), currency, by_….
WITH paid AS (
  SELECT a.episode_id, MIN(a.posted_date) AS end_date
  FROM adjudicated a WHERE a.adjudication_no > 1 AND a.paid > 0 GROUP BY a.episode_id
),
written AS (
  SELECT y.unit_id, MIN(y.entry_date) AS end_date
  FROM ledger_entry y WHERE y.kind = 'denial-write-off' AND y.amount > 0 GROUP BY y.unit_id
),
resolved AS (
  SELECT d.episode_id, MAX(d.is_overturned) AS is_overturned
  FROM denied_line d WHERE d.is_resolved = 1 GROUP BY d.episode_id
),
work AS (
  SELECT r.episode_id, CASE WHEN r.is_overturned = 1 THEN p.end_date ELSE w.end_date END AS end_date
  FROM resolved r
  LEFT JOIN paid p ON p.episode_id = r.episode_id
  LEFT JOIN written w ON w.unit_id = r.episode_id
),
fact AS (
  SELECT s.claim_id AS unit_id, s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference, s.provider_display,
         s.submitted_month, CAST(EXTRACT(DAY FROM (CAST(w.end_date AS TIMESTAMP)
                                                   - CAST(s.first_response_date AS TIMESTAMP))) AS INTEGER) AS days
  FROM submission s JOIN work w ON w.episode_id = s.episode_id
  WHERE s.submitted_date >= :period_start AND s.submitted_date <= :period_end AND s.currency = :currency
    AND s.is_denied = 1 AND w.end_date IS NOT NULL
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN x.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN x.payer_display END AS payer_display,
         CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.submitted_month END AS month,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.days
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id, s.days,
       COUNT(s.days) AS submissions
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id, s.days
