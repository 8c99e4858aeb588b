-- Claims of frequency 1 and 7 of submissions, sent in the period, and those that were rejected.
-- Parameters: period_start, period_end (days of submission, inclusive), currency, by_….
WITH rejected AS (
  SELECT r.claim_id FROM response r WHERE r.kind = 'rejected' GROUP BY r.claim_id
),
fact AS (
  SELECT s.claim_id AS unit_id, s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference, s.provider_display,
         s.submitted_month, e.charge, CASE WHEN j.claim_id IS NULL THEN 0 ELSE 1 END AS is_rejected
  FROM submission s
  JOIN episode e ON e.episode_id = s.episode_id
  LEFT JOIN rejected j ON j.claim_id = e.claim_id
  WHERE s.submitted_date >= :period_start AND s.submitted_date <= :period_end AND s.currency = :currency
    AND e.created_date >= :period_start AND e.created_date <= :period_end
    AND e.is_primary = 1 AND e.frequency IN ('1', '7')
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
         x.charge, x.is_rejected
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id,
       COUNT(s.is_rejected) AS claims,
       SUM(s.charge) AS claims_amount,
       SUM(s.is_rejected) AS rejected,
       SUM(CASE WHEN s.is_rejected = 1 THEN s.charge ELSE 0 END) AS rejected_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id
