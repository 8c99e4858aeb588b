-- Denied amounts of submissions of the period by reason, group, category, scenario, procedure, remarks and
-- episode grouping. Remarks are those of the line, or of the whole claim where the line has none.
-- Parameters: period_start, period_end (days of submission, inclusive), currency, by_… (also by_carc,
-- by_category, by_group, by_procedure, by_rarc, by_scenario).
WITH remark AS (
  SELECT a.claim_response_id, MIN(a.remark_codes) AS codes,
         CASE WHEN a.level = 'claim' THEN 0 ELSE COALESCE(a.item_sequence, -1) END AS line_no
  FROM adjudication a WHERE :by_rarc = 1 AND a.remark_codes <> ''
  GROUP BY a.claim_response_id, CASE WHEN a.level = 'claim' THEN 0 ELSE COALESCE(a.item_sequence, -1) END
),
line AS (
  SELECT i.claim_id, i.sequence, MIN(i.product_code) AS procedure_code
  FROM claim_item i WHERE :by_procedure = 1 GROUP BY i.claim_id, i.sequence
),
fact AS (
  SELECT s.claim_id AS unit_id, s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference, s.provider_display,
         s.submitted_month, d.amount, CASE WHEN :by_carc = 1 THEN d.reason_code END AS carc,
         CASE WHEN :by_group = 1 THEN d.group_code END AS group_code,
         CASE WHEN :by_category = 1 THEN d.category END AS category,
         CASE WHEN :by_scenario = 1 THEN d.scenario END AS scenario, COALESCE(r.codes, c.codes) AS rarc,
         l.procedure_code
  FROM denial d
  JOIN submission s ON s.episode_id = d.episode_id
  LEFT JOIN remark r ON r.claim_response_id = d.claim_response_id AND r.line_no = d.line_no
  LEFT JOIN remark c ON c.claim_response_id = d.claim_response_id AND c.line_no = 0
  LEFT JOIN line l ON l.claim_id = d.claim_id AND l.sequence = d.line_no
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
         x.carc,
         x.group_code,
         x.category,
         x.scenario,
         x.rarc,
         x.procedure_code,
         x.amount
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id, s.carc, s.group_code, s.category,
       s.scenario, s.rarc, s.procedure_code,
       COUNT(s.amount) AS denials,
       SUM(s.amount) AS denied_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id, s.carc, s.group_code, s.category,
         s.scenario, s.rarc, s.procedure_code
