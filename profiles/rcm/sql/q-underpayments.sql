-- Paid submissions of the period, those with a line whose allowed amount is below the contract, and by how much.
-- Parameters: period_start, period_end (days of submission, inclusive), currency, by_….
WITH short AS (
  SELECT l.episode_id, SUM(CASE WHEN l.underpaid > 0 THEN l.underpaid ELSE 0 END) AS underpaid,
         SUM(l.expected) AS expected
  FROM allowed_line l
  GROUP BY l.episode_id
),
fact AS (
  SELECT s.claim_id AS unit_id, s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference, s.provider_display,
         s.submitted_month, s.is_paid, COALESCE(t.underpaid, 0) AS underpaid, COALESCE(t.expected, 0) AS expected
  FROM submission s LEFT JOIN short t ON t.episode_id = s.episode_id
  WHERE s.submitted_date >= :period_start AND s.submitted_date <= :period_end AND s.currency = :currency
    AND (s.is_paid = 1 OR t.underpaid > 0)
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
         x.is_paid, x.underpaid, x.expected
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id,
       SUM(s.is_paid) AS paid_submissions,
       SUM(s.expected) AS expected_amount,
       SUM(CASE WHEN s.underpaid > 0 THEN 1 ELSE 0 END) AS underpaid_submissions,
       SUM(s.underpaid) AS underpaid_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id
