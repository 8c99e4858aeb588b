-- What is charged and not yet with a payer at the cut, and the charges of services in the window before it.
-- Not final billed: charges of finished visits that no claim bills, not even a draft. Billed and not submitted:
-- draft claims. Unacknowledged: submissions that nobody has answered in any way. Visits that the patient pays
-- wait for no payer. Parameters: window_start, as_of (days of service, inclusive), currency, by_….
WITH draft_date AS (
  SELECT i.claim_id, MIN(i.serviced_date) AS serviced_date FROM claim_item i GROUP BY i.claim_id
),
answered AS (
  SELECT r.episode_id FROM response r GROUP BY r.episode_id
),
item AS (
  SELECT COALESCE(a.claim_id, a.unit_id) AS unit_id, a.payer_id, a.payer_display, a.facility_id, a.facility_display,
         a.provider_reference, a.provider_display, a.service_date, 'charged' AS kind, a.charge AS amount
  FROM account a
  WHERE a.currency = :currency AND a.charge > 0
  UNION ALL
  SELECT c.charge_item_id AS unit_id, c.payer_id, c.payer_display, c.facility_id, c.facility_display,
         c.provider_reference, c.provider_display, COALESCE(c.service_date, c.visit_end_date) AS service_date,
         'unbilled' AS kind, c.amount
  FROM charge_fact c
  LEFT JOIN visit_claim b ON b.encounter_id = c.encounter_id
  LEFT JOIN self_pay_visit s ON s.visit_id = c.encounter_id AND s.currency = c.currency
  WHERE c.currency = :currency AND c.amount > 0 AND c.visit_status = 'finished' AND c.visit_end_date <= :as_of
    AND b.encounter_id IS NULL AND s.visit_id IS NULL
  UNION ALL
  SELECT c.claim_id AS unit_id, COALESCE(v.payer_id, c.insurer_id) AS payer_id,
         COALESCE(p.name, v.payer_display, c.insurer_display) AS payer_display, c.facility_id,
         COALESCE(c.facility_display, l.name) AS facility_display,
         COALESCE(c.rendering_reference, c.provider_reference) AS provider_reference,
         CASE WHEN c.rendering_reference IS NULL THEN COALESCE(c.rendering_display, c.provider_display)
              ELSE c.rendering_display END AS provider_display,
         COALESCE(d.serviced_date, c.billable_start_date, c.created_date) AS service_date, 'draft' AS kind,
         CAST(c.total AS DECIMAL(28, 6)) AS amount
  FROM claim c
  LEFT JOIN draft_date d ON d.claim_id = c.claim_id
  LEFT JOIN coverage v ON v.coverage_id = c.coverage_id
  LEFT JOIN organization p ON p.organization_id = COALESCE(v.payer_id, c.insurer_id)
  LEFT JOIN location l ON l.location_id = c.facility_id
  WHERE c.status = 'draft' AND c.use = 'claim' AND c.currency = :currency AND c.total > 0 AND c.created_date <= :as_of
  UNION ALL
  SELECT f.claim_id AS unit_id, f.payer_id, f.payer_display, f.facility_id, f.facility_display, f.provider_reference,
         f.provider_display, f.service_date, 'unacknowledged' AS kind, f.charge AS amount
  FROM first_submission f LEFT JOIN answered n ON n.episode_id = f.episode_id
  WHERE f.currency = :currency AND f.charge > 0 AND f.self_pay = 0 AND n.episode_id IS NULL
),
fact AS (
  SELECT i.unit_id, i.payer_id, i.payer_display, i.facility_id, i.facility_display, i.provider_reference,
         i.provider_display, SUBSTRING(CAST(i.service_date AS VARCHAR(10)), 1, 7) AS month, i.kind, i.amount,
         CASE WHEN i.kind <> 'unacknowledged' AND i.service_date >= :window_start AND i.service_date <= :as_of
              THEN 1 ELSE 0 END AS is_in_window
  FROM item i
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
         x.kind, x.amount, x.is_in_window
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id,
       SUM(CASE WHEN s.kind = 'unbilled' THEN 1 ELSE 0 END) AS unbilled,
       SUM(CASE WHEN s.kind = 'unbilled' THEN s.amount ELSE 0 END) AS unbilled_amount,
       SUM(CASE WHEN s.kind = 'draft' THEN 1 ELSE 0 END) AS drafts,
       SUM(CASE WHEN s.kind = 'draft' THEN s.amount ELSE 0 END) AS draft_amount,
       SUM(CASE WHEN s.kind IN ('unbilled', 'draft') THEN 1 ELSE 0 END) AS unsubmitted,
       SUM(CASE WHEN s.kind IN ('unbilled', 'draft') THEN s.amount ELSE 0 END) AS unsubmitted_amount,
       SUM(CASE WHEN s.kind = 'unacknowledged' THEN 1 ELSE 0 END) AS unacknowledged,
       SUM(CASE WHEN s.kind = 'unacknowledged' THEN s.amount ELSE 0 END) AS unacknowledged_amount,
       SUM(s.is_in_window) AS window_items,
       SUM(CASE WHEN s.is_in_window = 1 THEN s.amount ELSE 0 END) AS window_charges
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id
