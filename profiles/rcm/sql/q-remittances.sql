-- Final answers of first payers posted in the period: how many, how many deny a line, how many pay
-- nothing, and how many of those leave nothing to the patient either.
-- Parameters: period_start, period_end (days of posting, inclusive), currency, by_….
WITH fact AS (
  SELECT f.claim_id AS unit_id, f.payer_id, f.payer_display, f.facility_id, f.facility_display, f.provider_reference,
         f.provider_display, SUBSTRING(CAST(a.posted_date AS VARCHAR(10)), 1, 7) AS posted_month, a.charge,
         CASE WHEN a.denied_lines > 0 THEN 1 ELSE 0 END AS is_denied,
         CASE WHEN a.paid = 0 THEN 1 ELSE 0 END AS is_zero_paid,
         CASE WHEN a.paid = 0 AND a.denied_lines > 0 AND a.patient_share = 0 THEN 1 ELSE 0 END AS is_unpaid
  FROM adjudicated a JOIN first_submission f ON f.episode_id = a.episode_id
  WHERE a.posted_date >= :period_start AND a.posted_date <= :period_end AND a.currency = :currency
    AND a.adjudication_no IS NOT NULL AND a.charge > 0 AND f.self_pay = 0
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN x.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN x.payer_display END AS payer_display,
         CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.posted_month END AS month,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.charge, x.is_denied, x.is_zero_paid, x.is_unpaid
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id,
       COUNT(s.charge) AS remittances,
       SUM(s.charge) AS remitted_amount,
       SUM(s.is_denied) AS denied,
       SUM(CASE WHEN s.is_denied = 1 THEN s.charge ELSE 0 END) AS denied_amount,
       SUM(s.is_zero_paid) AS zero_paid,
       SUM(CASE WHEN s.is_zero_paid = 1 THEN s.charge ELSE 0 END) AS zero_paid_amount,
       SUM(s.is_unpaid) AS unpaid,
       SUM(CASE WHEN s.is_unpaid = 1 THEN s.charge ELSE 0 END) AS unpaid_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id
