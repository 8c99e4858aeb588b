-- Gross collection rate: applied payments / gross charges of services in the period.
-- Grain of the answer: one row for each combination of the groupings that are asked for.
-- Parameters: period_start, period_end, as_of (dates, inclusive), currency, and by_payer,
-- by_facility, by_provider, by_month (1 to group by it, 0 to leave it null).

-- 1. Episodes: a claim, what it follows (related prior, or the answer of an earlier payer), and so
--    on up to eight steps back, doubling the distance each time.
WITH step_1 AS (
  SELECT s.claim_id, MIN(s.earlier_id) AS earlier_id
  FROM (
    SELECT r.claim_id, r.related_claim_id AS earlier_id
    FROM claim_related r
    WHERE r.relationship = 'prior' AND r.related_claim_id <> r.claim_id
    UNION ALL
    SELECT c.claim_id, p.claim_id AS earlier_id
    FROM claim c JOIN claim_response p ON p.claim_response_id = c.prior_response_id
    WHERE p.claim_id <> c.claim_id
  ) s
  GROUP BY s.claim_id
),
step_2 AS (
  SELECT a.claim_id, COALESCE(b.earlier_id, a.earlier_id) AS earlier_id
  FROM step_1 a LEFT JOIN step_1 b ON b.claim_id = a.earlier_id
),
step_4 AS (
  SELECT a.claim_id, COALESCE(b.earlier_id, a.earlier_id) AS earlier_id
  FROM step_2 a LEFT JOIN step_2 b ON b.claim_id = a.earlier_id
),
step_8 AS (
  SELECT a.claim_id, COALESCE(b.earlier_id, a.earlier_id) AS earlier_id
  FROM step_4 a LEFT JOIN step_4 b ON b.claim_id = a.earlier_id
),

-- 2. The answers that bear money. A rejection or an acknowledgement does not.
answer AS (
  SELECT r.claim_response_id, r.claim_id,
         CASE WHEN r.total_benefit_currency = :currency THEN r.total_benefit END AS total_benefit,
         CASE WHEN r.payment_currency = :currency THEN r.payment_amount END AS payment_amount
  FROM claim_response r
  WHERE r.status = 'active' AND r.use = 'claim' AND r.outcome IN ('complete', 'partial')
    AND r.created_date <= :as_of
),
answered_claim AS (
  SELECT a.claim_id FROM answer a WHERE a.claim_id IS NOT NULL GROUP BY a.claim_id
),

-- 3. Claims of the time up to as_of with their episode, day of service and charge.
line_sum AS (
  SELECT i.claim_id, MIN(i.serviced_date) AS serviced_date,
         SUM(CAST(i.net AS DECIMAL(28, 10))) AS net, MIN(i.currency) AS currency
  FROM claim_item i
  GROUP BY i.claim_id
),
member AS (
  SELECT COALESCE(e.earlier_id, c.claim_id) AS episode_id, c.claim_id, c.created,
         COALESCE(l.serviced_date, c.billable_start_date, c.created_date) AS service_date,
         COALESCE(CAST(c.total AS DECIMAL(28, 10)), l.net) AS charge,
         CASE WHEN c.total IS NULL THEN l.currency ELSE c.currency END AS currency,
         COALESCE(c.frequency, '1') AS frequency,
         CASE WHEN c.prior_response_id IS NULL THEN 1 ELSE 0 END AS is_primary,
         CASE WHEN n.claim_id IS NULL THEN 0 ELSE 1 END AS is_answered,
         c.coverage_id, c.coverage_display, c.insurer_id, c.insurer_display,
         c.facility_id, c.facility_display,
         COALESCE(c.rendering_reference, c.provider_reference) AS provider_reference,
         CASE WHEN c.rendering_reference IS NULL THEN COALESCE(c.rendering_display, c.provider_display)
              ELSE c.rendering_display END AS provider_display
  FROM claim c
  LEFT JOIN step_8 e ON e.claim_id = c.claim_id
  LEFT JOIN line_sum l ON l.claim_id = c.claim_id
  LEFT JOIN answered_claim n ON n.claim_id = c.claim_id
  WHERE c.use = 'claim' AND c.status = 'active' AND c.created_date <= :as_of
),
first_submission AS (
  SELECT f.episode_id, f.service_date, f.charge, f.currency,
         f.coverage_id, f.coverage_display, f.insurer_id, f.insurer_display,
         f.facility_id, f.facility_display, f.provider_reference, f.provider_display
  FROM (
    SELECT m.episode_id, m.service_date, m.charge, m.currency,
           m.coverage_id, m.coverage_display, m.insurer_id, m.insurer_display,
           m.facility_id, m.facility_display, m.provider_reference, m.provider_display,
           ROW_NUMBER() OVER (PARTITION BY m.episode_id ORDER BY m.created, m.claim_id) AS place
    FROM member m
    WHERE m.is_primary = 1 AND m.frequency NOT IN ('7', '8')
  ) f
  WHERE f.place = 1
),
-- The newest accepted replacement sets the charge.
replacement AS (
  SELECT r.episode_id, r.charge
  FROM (
    SELECT m.episode_id, m.charge,
           ROW_NUMBER() OVER (PARTITION BY m.episode_id ORDER BY m.created DESC, m.claim_id DESC) AS place
    FROM member m
    WHERE m.is_primary = 1 AND m.frequency = '7' AND m.is_answered = 1
  ) r
  WHERE r.place = 1
),
void AS (
  SELECT m.episode_id FROM member m WHERE m.frequency = '8' GROUP BY m.episode_id
),

-- 4. Money from insurers and contractual adjustments, a ClaimResponse at a time. Line rows first;
--    claim rows, total and payment only where no finer figure exists.
adjudicated AS (
  SELECT a.claim_response_id,
         SUM(CASE WHEN a.category = 'benefit' AND a.level = 'line'
                  THEN CAST(a.amount AS DECIMAL(28, 10)) END) AS line_paid,
         SUM(CASE WHEN a.category = 'benefit' AND a.level = 'claim'
                  THEN CAST(a.amount AS DECIMAL(28, 10)) END) AS claim_paid,
         SUM(CASE WHEN a.group_code <> 'PR' AND a.reason_code IN (
                    '24', '44', '45', '59', '90', '91', '94', '131', '144', '161', '187', '223',
                    '225', '237', '246', '253')
                  THEN CAST(a.amount AS DECIMAL(28, 10)) END) AS contractual
  FROM adjudication a
  WHERE a.currency = :currency
  GROUP BY a.claim_response_id
),
-- An ExplanationOfBenefit tells the same adjudication from the payer's side: it counts only for
-- claims that no ClaimResponse answers.
explained_line AS (
  SELECT x.explanation_of_benefit_id, SUM(CAST(x.amount AS DECIMAL(28, 10))) AS paid
  FROM explanation_of_benefit_adjudication x
  WHERE x.currency = :currency
  GROUP BY x.explanation_of_benefit_id
),
insurer_entry AS (
  SELECT a.claim_id,
         COALESCE(d.line_paid, d.claim_paid, CAST(a.total_benefit AS DECIMAL(28, 10)),
                  CAST(a.payment_amount AS DECIMAL(28, 10)), 0) AS paid,
         COALESCE(d.contractual, 0) AS adjusted
  FROM answer a LEFT JOIN adjudicated d ON d.claim_response_id = a.claim_response_id
  UNION ALL
  SELECT b.claim_id,
         COALESCE(CASE WHEN b.payment_currency = :currency THEN CAST(b.payment_amount AS DECIMAL(28, 10)) END,
                  CASE WHEN b.total_paid_currency = :currency THEN CAST(b.total_paid AS DECIMAL(28, 10)) END,
                  x.paid, 0) AS paid,
         0 AS adjusted
  FROM explanation_of_benefit b
  LEFT JOIN explained_line x ON x.explanation_of_benefit_id = b.explanation_of_benefit_id
  LEFT JOIN answered_claim n ON n.claim_id = b.claim_id
  WHERE b.status = 'active' AND b.use = 'claim' AND b.outcome IN ('complete', 'partial')
    AND b.created_date <= :as_of AND n.claim_id IS NULL
),

-- 5. Money from patients and adjustments of the practice.
practice_entry AS (
  SELECT p.claim_id, p.encounter_id,
         CASE WHEN p.adjustment IS NULL AND p.patient_payer_id IS NOT NULL
              THEN CAST(p.amount AS DECIMAL(28, 10)) ELSE 0 END AS paid,
         CASE WHEN p.adjustment IS NOT NULL THEN CAST(p.amount AS DECIMAL(28, 10)) ELSE 0 END AS adjusted
  FROM payment_detail p
  WHERE p.status = 'active' AND p.currency = :currency AND p.payment_date <= :as_of
    AND (p.adjustment IS NOT NULL OR p.patient_payer_id IS NOT NULL)
),
claim_sum AS (
  SELECT m.episode_id, SUM(y.paid) AS paid, SUM(y.adjusted) AS adjusted
  FROM (
    SELECT i.claim_id, i.paid, i.adjusted FROM insurer_entry i
    UNION ALL
    SELECT p.claim_id, p.paid, p.adjusted FROM practice_entry p WHERE p.claim_id IS NOT NULL
  ) y
  JOIN member m ON m.claim_id = y.claim_id
  GROUP BY m.episode_id
),

-- 6. Visits that the patient pays: charge items of an account whose coverage is self-pay.
self_pay_account AS (
  SELECT a.account_id
  FROM account_coverage a JOIN coverage v ON v.coverage_id = a.coverage_id
  WHERE v.self_pay
  GROUP BY a.account_id
),
self_pay_item AS (
  SELECT i.charge_item_id, i.encounter_id,
         MIN(COALESCE(i.occurrence_date, i.entered_date)) AS service_date,
         MIN(CAST(i.price AS DECIMAL(28, 10))) AS charge, MIN(i.currency) AS currency,
         MIN(i.performer_reference) AS provider_reference, MIN(i.performer_display) AS provider_display
  FROM charge_item i JOIN self_pay_account a ON a.account_id = i.account_id
  WHERE i.status IN ('planned', 'billable', 'billed')
  GROUP BY i.charge_item_id, i.encounter_id
),
self_pay_visit AS (
  SELECT COALESCE(i.encounter_id, i.charge_item_id) AS visit_id, i.currency,
         MIN(i.service_date) AS service_date, SUM(i.charge) AS charge,
         MIN(i.provider_reference) AS provider_reference, MIN(i.provider_display) AS provider_display
  FROM self_pay_item i
  WHERE i.service_date <= :as_of
  GROUP BY COALESCE(i.encounter_id, i.charge_item_id), i.currency
),
visit_sum AS (
  SELECT p.encounter_id, SUM(p.paid) AS paid, SUM(p.adjusted) AS adjusted
  FROM practice_entry p
  WHERE p.encounter_id IS NOT NULL
  GROUP BY p.encounter_id
),

-- 7. One row an episode.
episode AS (
  SELECT f.service_date,
         CASE WHEN v.self_pay THEN NULL ELSE COALESCE(v.payer_id, f.insurer_id) END AS payer_id,
         CASE WHEN v.self_pay THEN NULL
              ELSE COALESCE(v.payer_display, f.insurer_display, f.coverage_display) END AS payer_display,
         f.facility_id, f.facility_display, f.provider_reference, f.provider_display,
         COALESCE(r.charge, f.charge, 0) AS charge,
         COALESCE(y.paid, 0) AS paid, COALESCE(y.adjusted, 0) AS adjusted
  FROM first_submission f
  LEFT JOIN replacement r ON r.episode_id = f.episode_id
  LEFT JOIN void z ON z.episode_id = f.episode_id
  LEFT JOIN claim_sum y ON y.episode_id = f.episode_id
  LEFT JOIN coverage v ON v.coverage_id = f.coverage_id
  WHERE f.currency = :currency AND z.episode_id IS NULL
  UNION ALL
  SELECT s.service_date, NULL AS payer_id, NULL AS payer_display, NULL AS facility_id,
         NULL AS facility_display, s.provider_reference, s.provider_display,
         COALESCE(s.charge, 0) AS charge,
         COALESCE(y.paid, 0) AS paid, COALESCE(y.adjusted, 0) AS adjusted
  FROM self_pay_visit s LEFT JOIN visit_sum y ON y.encounter_id = s.visit_id
  WHERE s.currency = :currency
),
-- What is paid beyond the balance is a credit of the payer, not a collection.
applied AS (
  SELECT e.service_date, e.payer_id, COALESCE(o.name, e.payer_display) AS payer_display,
         e.facility_id, e.facility_display, e.provider_reference, e.provider_display, e.charge,
         CASE WHEN e.charge - e.adjusted - e.paid < 0 THEN e.charge - e.adjusted
              ELSE e.paid END AS payment
  FROM episode e LEFT JOIN organization o ON o.organization_id = e.payer_id
  WHERE e.service_date >= :period_start AND e.service_date <= :period_end AND e.charge > 0
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN a.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN a.payer_display END AS payer_display,
         CASE WHEN :by_facility = 1 THEN a.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN a.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN a.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN a.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN SUBSTRING(CAST(a.service_date AS VARCHAR(10)), 1, 7) END AS service_month,
         a.charge, a.payment
  FROM applied a
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.service_month,
       COUNT(s.charge) AS denominator,
       COUNT(CASE WHEN s.payment > 0 THEN 1 END) AS numerator,
       SUM(s.charge) AS charges,
       SUM(s.payment) AS payments
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.service_month
