-- Denied submissions of the period: resolved, overturned, also by the charges of their denied lines; and
-- decided appeals. Parameters: period_start, period_end (days of submission, inclusive), currency, by_….
WITH denied AS (
  SELECT d.episode_id, MAX(d.is_overturned) AS is_overturned, MAX(d.is_resolved) AS is_resolved,
         SUM(CASE WHEN d.is_overturned = 1 THEN d.line_charge ELSE 0 END) AS overturned_charge,
         SUM(CASE WHEN d.is_resolved = 1 THEN d.line_charge ELSE 0 END) AS resolved_charge
  FROM denied_line d
  GROUP BY d.episode_id
),
appeal AS (
  SELECT t.episode_id, COUNT(t.task_id) AS decided,
         SUM(CASE WHEN t.decision = 'overturned' THEN 1 ELSE 0 END) AS won
  FROM task_fact t
  WHERE t.code = 'appeal' AND t.ended_date IS NOT NULL AND t.decision IN ('overturned', 'upheld')
  GROUP BY t.episode_id
),
fact AS (
  SELECT s.claim_id AS unit_id, s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference, s.provider_display,
         s.submitted_month, COALESCE(d.is_overturned, 0) AS is_overturned, COALESCE(d.is_resolved, 0) AS is_resolved,
         COALESCE(d.overturned_charge, 0) AS overturned_charge, COALESCE(d.resolved_charge, 0) AS resolved_charge,
         COALESCE(a.decided, 0) AS decided, COALESCE(a.won, 0) AS won
  FROM submission s
  LEFT JOIN denied d ON d.episode_id = s.episode_id
  LEFT JOIN appeal a ON a.episode_id = s.episode_id
  WHERE s.submitted_date >= :period_start AND s.submitted_date <= :period_end AND s.currency = :currency
    AND (d.episode_id IS NOT NULL OR a.episode_id IS NOT NULL)
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
         x.is_overturned, x.is_resolved, x.overturned_charge, x.resolved_charge, x.decided, x.won
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id,
       SUM(s.is_resolved) AS resolved,
       SUM(s.is_overturned) AS overturned,
       SUM(s.resolved_charge) AS resolved_amount,
       SUM(s.overturned_charge) AS overturned_amount,
       SUM(s.decided) AS appeals_decided,
       SUM(s.won) AS appeals_won
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id
