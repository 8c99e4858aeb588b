-- One row for each episode or visit: what it is of, and its sums up to the cut. What is paid beyond the
-- balance is a credit, not a collection: applied is what was paid less the credit.
WITH sums AS (
  SELECT y.unit_id, y.currency,
         SUM(CASE WHEN y.kind = 'insurer-payment' THEN y.amount ELSE 0 END) AS insurer_paid,
         SUM(CASE WHEN y.kind = 'patient-payment' THEN y.amount ELSE 0 END) AS patient_paid,
         SUM(CASE WHEN y.kind = 'contractual' THEN y.amount ELSE 0 END) AS contractual,
         SUM(CASE WHEN y.kind = 'denial-write-off' THEN y.amount ELSE 0 END) AS denial_write_off,
         SUM(CASE WHEN y.kind = 'bad-debt' THEN y.amount ELSE 0 END) AS bad_debt,
         SUM(CASE WHEN y.kind = 'charity' THEN y.amount ELSE 0 END) AS charity,
         SUM(CASE WHEN y.kind NOT IN ('charge', 'insurer-payment', 'patient-payment', 'contractual',
                                      'denial-write-off', 'bad-debt', 'charity')
                  THEN y.amount ELSE 0 END) AS small_balance
  FROM ledger_entry y
  GROUP BY y.unit_id, y.currency
),
unit AS (
  SELECT f.episode_id AS unit_id, f.claim_id, f.currency, f.service_date, f.service_month, f.submitted_date,
         f.payer_id, f.payer_display, f.self_pay, f.facility_id, f.facility_display, f.provider_reference,
         f.provider_display, COALESCE(f.encounter_id, f.episode_id) AS encounter_id, f.charge
  FROM first_submission f
  UNION ALL
  SELECT v.visit_id AS unit_id, NULL AS claim_id, v.currency, v.service_date, v.service_month,
         v.service_date AS submitted_date, NULL AS payer_id, NULL AS payer_display, 1 AS self_pay,
         v.facility_id, v.facility_display, v.provider_reference, v.provider_display,
         v.visit_id AS encounter_id, COALESCE(v.charge, 0) AS charge
  FROM self_pay_visit v
),
balanced AS (
  SELECT u.unit_id, u.claim_id, u.currency, u.service_date, u.service_month, u.submitted_date, u.payer_id,
         u.payer_display, u.self_pay, u.facility_id, u.facility_display, u.provider_reference,
         u.provider_display, u.encounter_id, u.charge,
         COALESCE(s.insurer_paid, 0) AS insurer_paid, COALESCE(s.patient_paid, 0) AS patient_paid,
         COALESCE(s.contractual, 0) AS contractual, COALESCE(s.denial_write_off, 0) AS denial_write_off,
         COALESCE(s.bad_debt, 0) AS bad_debt, COALESCE(s.charity, 0) AS charity,
         COALESCE(s.small_balance, 0) AS small_balance,
         u.charge - COALESCE(s.insurer_paid + s.patient_paid + s.contractual + s.denial_write_off + s.bad_debt
                             + s.charity + s.small_balance, 0) AS balance
  FROM unit u LEFT JOIN sums s ON s.unit_id = u.unit_id AND s.currency = u.currency
)
SELECT b.unit_id, b.claim_id, b.currency, b.service_date, b.service_month, b.submitted_date, b.payer_id,
       b.payer_display, b.self_pay, b.facility_id, b.facility_display, b.provider_reference,
       b.provider_display, b.encounter_id, b.charge, b.insurer_paid, b.patient_paid, b.contractual,
       b.denial_write_off, b.bad_debt, b.charity, b.small_balance, b.balance,
       CASE WHEN b.balance > 0 THEN b.balance ELSE 0 END AS open_amount,
       CASE WHEN b.balance < 0 THEN 0 - b.balance ELSE 0 END AS credit_amount,
       b.insurer_paid + b.patient_paid - CASE WHEN b.balance < 0 THEN 0 - b.balance ELSE 0 END AS applied
FROM balanced b
