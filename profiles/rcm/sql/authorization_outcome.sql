-- Requests for authorization up to the cut, and what the payer decided first and last. A decision is what
-- the review of the lines says; where it says nothing, a number grants, and a complete answer without one
-- refuses. Minutes are counted between instants, else by days.
WITH zoned AS (
  SELECT c.claim_id, COALESCE(k.timezone, l.zone, o.zone, b.zone) AS zone, l.name AS location_name, k.as_of,
         CASE WHEN q.priority = 'stat' THEN 'expedited' ELSE 'standard' END AS urgency
  FROM authorization_request q
  JOIN claim c ON c.claim_id = q.claim_id
  CROSS JOIN cut k
  LEFT JOIN location l ON l.location_id = c.facility_id
  LEFT JOIN organization o ON o.organization_id = l.managing_organization_id
  LEFT JOIN organization b ON b.organization_id = c.provider_organization_id
  WHERE q.status = 'active'
),
request AS (
  SELECT z.claim_id, z.zone, z.as_of, z.urgency, c.created, c.created_is_instant,
         COALESCE(CASE WHEN c.created_is_instant THEN business_date(c.created, z.zone) END, c.created_date) AS created_date
  FROM zoned z JOIN claim c ON c.claim_id = z.claim_id
),
answer AS (
  SELECT q.claim_id, r.claim_response_id, r.created, r.created_is_instant,
         COALESCE(CASE WHEN r.created_is_instant THEN business_date(r.created, q.zone) END, r.created_date) AS decided_date,
         CASE WHEN r.is_certified THEN 'approved' WHEN r.is_refused THEN 'denied'
              WHEN r.is_reviewed THEN NULL WHEN r.authorization_number IS NOT NULL THEN 'approved'
              WHEN r.outcome = 'complete' THEN 'denied' END AS decision
  FROM request q JOIN authorization_response r ON r.claim_id = q.claim_id
  WHERE r.status = 'active' AND r.outcome IN ('complete', 'partial')
),
decided AS (
  SELECT a.claim_id, a.created, a.created_is_instant, a.decided_date, a.decision,
         ROW_NUMBER() OVER (PARTITION BY a.claim_id ORDER BY a.created, a.claim_response_id) AS place,
         ROW_NUMBER() OVER (PARTITION BY a.claim_id ORDER BY a.created DESC, a.claim_response_id DESC) AS from_last
  FROM answer a JOIN request q ON q.claim_id = a.claim_id
  WHERE a.decision IS NOT NULL AND a.decided_date <= q.as_of
),
appealed AS (
  SELECT t.claim_id, MIN(t.authored_date) AS authored_date
  FROM task t JOIN authorization_request q ON q.claim_id = t.claim_id
  WHERE t.code = 'appeal' AND t.status NOT IN ('entered-in-error', 'cancelled')
  GROUP BY t.claim_id
)
SELECT q.claim_id, q.created_date, SUBSTRING(CAST(q.created_date AS VARCHAR(10)), 1, 7) AS created_month, q.urgency,
       d.decided_date, d.decision, e.decision AS last_decision, e.decided_date AS last_decided_date,
       p.authored_date AS appealed_date,
       EXTRACT(DAY FROM (CAST(d.decided_date AS TIMESTAMP) - CAST(q.created_date AS TIMESTAMP))) AS days,
       CASE WHEN q.created_is_instant AND d.created_is_instant THEN
         1440 * EXTRACT(DAY FROM (CAST(CAST(d.created AS DATE) AS TIMESTAMP)
                                  - CAST(CAST(q.created AS DATE) AS TIMESTAMP)))
         + 60 * (EXTRACT(HOUR FROM d.created) - EXTRACT(HOUR FROM q.created))
         + EXTRACT(MINUTE FROM d.created) - EXTRACT(MINUTE FROM q.created)
       ELSE 1440 * EXTRACT(DAY FROM (CAST(d.decided_date AS TIMESTAMP) - CAST(q.created_date AS TIMESTAMP)))
       END AS minutes,
       CASE WHEN v.self_pay THEN NULL ELSE COALESCE(v.payer_id, c.insurer_id) END AS payer_id,
       COALESCE(o.name, v.payer_display, c.insurer_display, c.coverage_display) AS payer_display,
       c.facility_id, COALESCE(c.facility_display, z.location_name) AS facility_display,
       COALESCE(c.rendering_reference, c.provider_reference) AS provider_reference,
       CASE WHEN c.rendering_reference IS NULL THEN COALESCE(c.rendering_display, c.provider_display)
            ELSE c.rendering_display END AS provider_display
FROM request q
JOIN zoned z ON z.claim_id = q.claim_id
JOIN claim c ON c.claim_id = q.claim_id
LEFT JOIN decided d ON d.claim_id = q.claim_id AND d.place = 1
LEFT JOIN decided e ON e.claim_id = q.claim_id AND e.from_last = 1
LEFT JOIN appealed p ON p.claim_id = q.claim_id
LEFT JOIN coverage v ON v.coverage_id = c.coverage_id
LEFT JOIN organization o ON o.organization_id = COALESCE(v.payer_id, c.insurer_id)
WHERE q.created_date <= q.as_of
