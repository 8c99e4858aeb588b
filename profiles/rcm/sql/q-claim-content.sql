-- Claims of the period, a row for each rule that can be asked of one: whether what a payer needs is there
-- (completeness), and whether what is there agrees with itself and with the coverage (accuracy).
-- Parameters: period_start, period_end (days of submission, inclusive), currency, by_… (also by_rule).
WITH line_sum AS (
  SELECT i.claim_id, SUM(CAST(i.net AS DECIMAL(28, 6))) AS net, MAX(CASE WHEN i.net IS NULL THEN 1 ELSE 0 END) AS lacks_net,
         MAX(CASE WHEN i.serviced_date IS NULL THEN 1 ELSE 0 END) AS lacks_date,
         MAX(i.serviced_date) AS last_date
  FROM claim_item i
  GROUP BY i.claim_id
),
told AS (
  SELECT f.claim_id, f.payer_id, f.payer_display, f.facility_id, f.facility_display, f.provider_reference, f.provider_display,
         f.created_date, f.service_date, f.patient_id, c.total, d.net, d.lacks_net, d.lacks_date, d.last_date,
         t.has_diagnosis, t.has_line_diagnosis, t.has_place_of_service,
         COALESCE(c.rendering_reference, c.rendering_display) AS rendering, COALESCE(c.facility_id, c.facility_display) AS place,
         v.coverage_id, v.beneficiary_id, v.period_start_date, v.period_end_date, m.has_number
  FROM claim_fact f
  JOIN claim c ON c.claim_id = f.claim_id
  JOIN claim_content t ON t.claim_id = f.claim_id
  LEFT JOIN line_sum d ON d.claim_id = f.claim_id
  LEFT JOIN coverage v ON v.coverage_id = c.coverage_id
  LEFT JOIN member_number m ON m.coverage_id = c.coverage_id
  WHERE f.created_date >= :period_start AND f.created_date <= :period_end AND f.currency = :currency AND f.frequency <> '8'
),
rule AS (
  SELECT r.code, r.dimension
  FROM (VALUES
    ('diagnosis', 'completeness'), ('line-diagnosis', 'completeness'), ('service-date', 'completeness'),
    ('rendering-provider', 'completeness'), ('facility', 'completeness'), ('place-of-service', 'completeness'),
    ('coverage', 'completeness'), ('member-number', 'completeness'), ('total', 'completeness'),
    ('total-of-lines', 'accuracy'), ('dates-in-order', 'accuracy'), ('beneficiary', 'accuracy'), ('in-force', 'accuracy')
  ) AS r (code, dimension)
),
asked AS (
  SELECT t.claim_id, t.payer_id, t.payer_display, t.facility_id, t.facility_display, t.provider_reference, t.provider_display,
         SUBSTRING(CAST(t.created_date AS VARCHAR(10)), 1, 7) AS month, r.code, r.dimension,
         CASE WHEN r.code = 'diagnosis' THEN t.has_diagnosis
              WHEN r.code = 'line-diagnosis' THEN t.has_line_diagnosis
              WHEN r.code = 'service-date' THEN COALESCE(t.lacks_date, 1) = 0
              WHEN r.code = 'rendering-provider' THEN t.rendering IS NOT NULL
              WHEN r.code = 'facility' THEN t.place IS NOT NULL
              WHEN r.code = 'place-of-service' THEN t.has_place_of_service
              WHEN r.code = 'coverage' THEN t.coverage_id IS NOT NULL
              WHEN r.code = 'member-number' THEN COALESCE(t.has_number, FALSE)
              WHEN r.code = 'total' THEN t.total IS NOT NULL
              WHEN r.code = 'total-of-lines' AND t.lacks_net = 0 THEN CAST(t.total AS DECIMAL(28, 6)) = t.net
              WHEN r.code = 'dates-in-order' THEN COALESCE(t.last_date, t.service_date) <= t.created_date
              WHEN r.code = 'beneficiary' THEN t.beneficiary_id = t.patient_id
              WHEN r.code = 'in-force' AND t.coverage_id IS NOT NULL THEN
                COALESCE(t.period_start_date <= t.service_date, TRUE) AND COALESCE(t.period_end_date >= t.service_date, TRUE)
              END AS holds
  FROM told t CROSS JOIN rule r
),
fact AS (
  SELECT a.claim_id AS unit_id, a.payer_id, a.payer_display, a.facility_id, a.facility_display, a.provider_reference,
         a.provider_display, a.month, a.code AS rule, CASE WHEN a.dimension = 'accuracy' THEN 1 ELSE 0 END AS is_accuracy,
         CASE WHEN a.holds THEN 1 ELSE 0 END AS is_kept
  FROM asked a
  WHERE a.holds IS NOT NULL
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN x.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN x.payer_display END AS payer_display,
         CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.month END AS month,
         CASE WHEN :by_rule = 1 THEN x.rule END AS rule,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.is_accuracy, x.is_kept
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.rule, s.unit_id,
       SUM(1 - s.is_accuracy) AS completeness_checks,
       SUM((1 - s.is_accuracy) * s.is_kept) AS complete,
       SUM(s.is_accuracy) AS accuracy_checks,
       SUM(s.is_accuracy * s.is_kept) AS accurate,
       SUM(1 - s.is_kept) AS failures
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.rule, s.unit_id
