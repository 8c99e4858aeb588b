-- Submissions of the period and those of the three months before it: how many of the former were denied, and
-- how many there were of the latter, whose third is what a month usually has.
-- Parameters: prior_start (three months before), period_start, period_end (days of submission, inclusive),
-- currency, by_….
WITH fact AS (
  SELECT s.claim_id AS unit_id, s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.total, s.denied_charge,
         CASE WHEN s.submitted_date < :period_start THEN 1 ELSE 0 END AS is_before,
         CASE WHEN s.submitted_date >= :period_start THEN s.is_denied ELSE 0 END AS is_denied
  FROM submission s
  WHERE s.submitted_date >= :prior_start AND s.submitted_date <= :period_end AND s.currency = :currency
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN x.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN x.payer_display END AS payer_display,
         CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.total, x.denied_charge, x.is_before, x.is_denied
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.unit_id,
       SUM(s.is_before) AS prior_submissions,
       SUM(CASE WHEN s.is_before = 1 THEN s.total ELSE 0 END) AS prior_amount,
       SUM(s.is_denied) AS denied,
       SUM(CASE WHEN s.is_denied = 1 THEN s.total ELSE 0 END) AS denied_claim_amount,
       SUM(CASE WHEN s.is_denied = 1 THEN s.denied_charge ELSE 0 END) AS denied_line_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.unit_id
