-- First submissions of the period: how many, how many of them clean, passed at once, denied; and charges.
-- Parameters: period_start, period_end (days of submission, inclusive), currency, basis (any-line or
-- full-only: which denials the figures without "full" count), by_payer, by_facility, by_provider, by_month, by_episode.
WITH fact AS (
  SELECT s.claim_id AS unit_id, s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference, s.provider_display,
         s.submitted_month, s.total, s.is_clean,
         CASE WHEN :by_week = 1
              THEN SUBSTRING(CAST(DATE_TRUNC('week', CAST(s.submitted_date AS TIMESTAMP)) AS VARCHAR(32)), 1, 10)
              END AS week, s.is_adjudicated, s.is_first_pass, s.is_denied_in_full,
         CASE WHEN :basis = 'full-only' THEN s.is_denied_in_full ELSE s.is_denied END AS is_denied,
         CASE WHEN :basis = 'full-only' AND s.is_denied_in_full = 0 THEN 0 ELSE s.denied_charge END AS denied_charge
  FROM submission s
  WHERE s.submitted_date >= :period_start AND s.submitted_date <= :period_end AND s.currency = :currency
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
         x.week,
         x.total, x.is_clean, x.is_adjudicated, x.is_first_pass, x.is_denied, x.is_denied_in_full, x.denied_charge
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id, s.week,
       COUNT(s.total) AS submissions,
       SUM(s.total) AS submitted_amount,
       SUM(s.is_clean) AS clean,
       SUM(CASE WHEN s.is_clean = 1 THEN s.total ELSE 0 END) AS clean_amount,
       SUM(s.is_adjudicated) AS adjudicated,
       SUM(CASE WHEN s.is_adjudicated = 1 THEN s.total ELSE 0 END) AS adjudicated_amount,
       SUM(s.is_first_pass) AS first_pass,
       SUM(CASE WHEN s.is_first_pass = 1 THEN s.total ELSE 0 END) AS first_pass_amount,
       SUM(s.is_denied) AS denied,
       SUM(CASE WHEN s.is_denied = 1 THEN s.total ELSE 0 END) AS denied_claim_amount,
       SUM(s.is_denied_in_full) AS denied_in_full,
       SUM(CASE WHEN s.is_denied_in_full = 1 THEN s.total ELSE 0 END) AS denied_in_full_amount,
       SUM(s.denied_charge) AS denied_line_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id, s.week
