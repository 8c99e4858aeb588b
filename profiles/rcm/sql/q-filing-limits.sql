-- Submissions that no final answer has closed at the cut: those whose limit is over, those whose limit comes
-- within some days, and those of which no contract says a limit.
-- Parameters: within_days, currency, by_….
WITH fact AS (
  SELECT f.claim_id AS unit_id, f.payer_id, f.payer_display, f.facility_id, f.facility_display, f.provider_reference,
         f.provider_display, f.service_month AS month, f.charge,
         CASE WHEN l.days_left IS NULL THEN 'unknown' WHEN l.days_left < 0 THEN 'over'
              WHEN l.days_left <= :within_days THEN 'near' ELSE 'far' END AS kind
  FROM filing_limit l JOIN first_submission f ON f.episode_id = l.episode_id
  WHERE f.currency = :currency
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN x.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN x.payer_display END AS payer_display,
         CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.month END AS month,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.charge, x.kind
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id,
       COUNT(s.charge) AS open_submissions,
       SUM(s.charge) AS open_charges,
       SUM(CASE WHEN s.kind = 'near' THEN 1 ELSE 0 END) AS near_limit,
       SUM(CASE WHEN s.kind = 'near' THEN s.charge ELSE 0 END) AS near_limit_amount,
       SUM(CASE WHEN s.kind = 'over' THEN 1 ELSE 0 END) AS past_limit,
       SUM(CASE WHEN s.kind = 'over' THEN s.charge ELSE 0 END) AS past_limit_amount,
       SUM(CASE WHEN s.kind = 'unknown' THEN 1 ELSE 0 END) AS without_limit,
       SUM(CASE WHEN s.kind = 'unknown' THEN s.charge ELSE 0 END) AS without_limit_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id
