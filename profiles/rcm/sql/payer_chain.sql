-- The payers of each episode in their order: what each paid, adjusted and left to the patient, and what
-- the one before left.
WITH payer AS (
  SELECT e.episode_id, e.payer_order, MAX(e.payer_id) AS payer_id, MAX(e.payer_display) AS payer_display,
         MIN(e.created_date) AS submitted_date
  FROM episode e
  WHERE e.currency IS NOT NULL
  GROUP BY e.episode_id, e.payer_order
),
posting AS (
  SELECT a.episode_id, a.payer_order, SUM(a.paid) AS paid, SUM(a.contractual) AS contractual,
         SUM(a.patient_amount) AS patient_amount, MAX(a.posted_date) AS posted_date
  FROM adjudicated a
  GROUP BY a.episode_id, a.payer_order
)
SELECT y.episode_id, y.payer_id, y.payer_display, y.submitted_date,
       ROW_NUMBER() OVER (PARTITION BY y.episode_id ORDER BY y.payer_order) AS place,
       ROW_NUMBER() OVER (PARTITION BY y.episode_id ORDER BY y.payer_order DESC) AS from_last,
       COALESCE(p.paid, 0) AS paid, COALESCE(p.contractual, 0) AS contractual,
       COALESCE(p.patient_amount, 0) AS patient_amount, p.posted_date,
       LAG(COALESCE(p.patient_amount, 0)) OVER (PARTITION BY y.episode_id ORDER BY y.payer_order) AS left_before,
       LAG(p.posted_date) OVER (PARTITION BY y.episode_id ORDER BY y.payer_order) AS posted_before
FROM payer y
LEFT JOIN posting p ON p.episode_id = y.episode_id AND p.payer_order = y.payer_order
