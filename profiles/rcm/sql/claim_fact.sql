-- Claims that count: use claim, active, submitted up to the cut. Dates are business days of the
-- facility's time zone; an instant without a zone to turn it in, and a date, count as they are written.
WITH line_sum AS (
  SELECT i.claim_id, MIN(i.serviced_date) AS serviced_date, SUM(CAST(i.net AS DECIMAL(28, 6))) AS net,
         MIN(i.currency) AS currency, MIN(i.encounter_id) AS encounter_id
  FROM claim_item i
  GROUP BY i.claim_id
),
answered AS (
  SELECT n.claim_id, COUNT(n.claim_response_id) AS answers
  FROM claim_insurance n
  WHERE n.claim_response_id IS NOT NULL
  GROUP BY n.claim_id
),
related AS (
  SELECT r.claim_id FROM claim_related r GROUP BY r.claim_id
),
zoned AS (
  SELECT c.claim_id, COALESCE(k.timezone, l.zone, o.zone, b.zone) AS zone, k.as_of
  FROM claim c
  CROSS JOIN cut k
  LEFT JOIN location l ON l.location_id = c.facility_id
  LEFT JOIN organization o ON o.organization_id = l.managing_organization_id
  LEFT JOIN organization b ON b.organization_id = c.provider_organization_id
  WHERE c.use = 'claim' AND c.status = 'active'
),
dated AS (
  SELECT z.claim_id, z.zone, z.as_of,
         COALESCE(CASE WHEN c.created_is_instant THEN business_date(c.created, z.zone) END,
                  c.created_date) AS created_date
  FROM zoned z JOIN claim c ON c.claim_id = z.claim_id
)
SELECT c.claim_id, c.patient_id, c.created, d.created_date, d.zone,
       COALESCE(s.serviced_date, c.billable_start_date, d.created_date) AS service_date,
       COALESCE(CAST(c.total AS DECIMAL(28, 6)), s.net) AS charge,
       CASE WHEN c.total IS NULL THEN s.currency ELSE c.currency END AS currency,
       COALESCE(c.frequency, '1') AS frequency,
       CASE WHEN a.claim_id IS NULL THEN 0 ELSE 1 END AS follows_payer,
       CASE WHEN r.claim_id IS NULL THEN 0 ELSE 1 END AS is_related,
       -- A claim that brings answers of other payers stands behind them, whatever its coverage says.
       CASE WHEN COALESCE(v.priority, 1) > 1 + COALESCE(a.answers, 0) THEN v.priority
            ELSE 1 + COALESCE(a.answers, 0) END AS payer_order,
       CASE WHEN v.self_pay THEN 1 ELSE 0 END AS self_pay,
       CASE WHEN v.self_pay THEN NULL ELSE COALESCE(v.payer_id, c.insurer_id) END AS payer_id,
       CASE WHEN v.self_pay THEN NULL
            ELSE COALESCE(p.name, v.payer_display, c.insurer_display, c.coverage_display) END AS payer_display,
       c.facility_id, COALESCE(c.facility_display, f.name) AS facility_display,
       COALESCE(c.rendering_reference, c.provider_reference) AS provider_reference,
       CASE WHEN c.rendering_reference IS NULL THEN COALESCE(c.rendering_display, c.provider_display)
            ELSE c.rendering_display END AS provider_display,
       s.encounter_id, COALESCE(c.identifier_system, '') || '|' || c.identifier_value AS identifier,
       c.identifier_value
FROM claim c
JOIN dated d ON d.claim_id = c.claim_id
LEFT JOIN line_sum s ON s.claim_id = c.claim_id
LEFT JOIN answered a ON a.claim_id = c.claim_id
LEFT JOIN related r ON r.claim_id = c.claim_id
LEFT JOIN coverage v ON v.coverage_id = c.coverage_id
LEFT JOIN organization p ON p.organization_id = COALESCE(v.payer_id, c.insurer_id)
LEFT JOIN location f ON f.location_id = c.facility_id
WHERE d.created_date <= d.as_of
