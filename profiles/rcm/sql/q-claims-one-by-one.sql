-- Claims of the period, each counted by itself whatever it follows, and those that the newest answer to them
-- denies. A known wrong reading: what was rejected and sent again counts twice, further payers and voids count,
-- and a denial that was overturned later never was one.
-- Parameters: period_start, period_end (days of submission, inclusive), currency, by_….
WITH newest AS (
  SELECT a.claim_id, a.paid, a.denied_lines,
         ROW_NUMBER() OVER (PARTITION BY a.claim_id ORDER BY a.posted_date DESC, a.claim_response_id DESC) AS place
  FROM adjudicated a
  WHERE a.kind = 'final'
),
fact AS (
  SELECT f.claim_id AS unit_id, f.payer_id, f.payer_display, f.facility_id, f.facility_display, f.provider_reference,
         f.provider_display, SUBSTRING(CAST(f.created_date AS VARCHAR(10)), 1, 7) AS month,
         CASE WHEN n.paid = 0 AND n.denied_lines > 0 THEN 1 ELSE 0 END AS is_denied
  FROM claim_fact f LEFT JOIN newest n ON n.claim_id = f.claim_id AND n.place = 1
  WHERE f.created_date >= :period_start AND f.created_date <= :period_end AND f.currency = :currency
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
         x.is_denied
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id,
       COUNT(s.is_denied) AS claims,
       SUM(s.is_denied) AS denied
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id
