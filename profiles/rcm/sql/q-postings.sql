-- Answers to claims that came with a remittance in the period, and those of them that were posted without any
-- work for people: no task of posting is about the answer or about its payment.
-- Parameters: period_start, period_end (days of posting, inclusive), by_….
WITH work AS (
  SELECT t.claim_response_id, t.payment_id
  FROM task t
  WHERE t.code IN ('manual-touch', 'unknown-claim', 'corrected-party', 'payment-difference')
    AND t.status NOT IN ('entered-in-error', 'cancelled')
),
touched AS (
  SELECT w.claim_response_id FROM work w WHERE w.claim_response_id IS NOT NULL
  UNION
  SELECT d.claim_response_id FROM work w JOIN payment_answer d ON d.payment_id = w.payment_id
  WHERE d.claim_response_id IS NOT NULL
),
zoned AS (
  SELECT r.claim_response_id, r.claim_id, r.insurer_id, c.facility_id,
         COALESCE(c.facility_display, l.name) AS facility_display,
         COALESCE(c.rendering_reference, c.provider_reference) AS provider_reference,
         CASE WHEN c.rendering_reference IS NULL THEN COALESCE(c.rendering_display, c.provider_display)
              ELSE c.rendering_display END AS provider_display, k.as_of,
         COALESCE(CASE WHEN r.created_is_instant
                       THEN business_date(r.created, COALESCE(k.timezone, l.zone, o.zone, b.zone)) END,
                  r.created_date) AS posted_date
  FROM claim_response r
  CROSS JOIN cut k
  LEFT JOIN claim c ON c.claim_id = r.claim_id
  LEFT JOIN location l ON l.location_id = c.facility_id
  LEFT JOIN organization o ON o.organization_id = l.managing_organization_id
  LEFT JOIN organization b ON b.organization_id = c.provider_organization_id
  WHERE r.status = 'active' AND r.use = 'claim' AND r.claim_status_code IS NOT NULL
),
fact AS (
  SELECT z.claim_response_id AS unit_id, z.insurer_id AS payer_id, p.name AS payer_display, z.facility_id,
         z.facility_display, z.provider_reference, z.provider_display,
         SUBSTRING(CAST(z.posted_date AS VARCHAR(10)), 1, 7) AS month,
         CASE WHEN t.claim_response_id IS NULL THEN 1 ELSE 0 END AS is_automatic
  FROM zoned z
  LEFT JOIN touched t ON t.claim_response_id = z.claim_response_id
  LEFT JOIN organization p ON p.organization_id = z.insurer_id
  WHERE z.posted_date >= :period_start AND z.posted_date <= :period_end AND z.posted_date <= z.as_of
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
         x.is_automatic
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id,
       COUNT(s.is_automatic) AS posted,
       SUM(s.is_automatic) AS posted_automatically
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id
