-- Charges of services in the period, and what was paid, adjusted and written off for them; beside it the
-- cash and the contractual adjustments that were posted in the period, whatever they are for.
-- Parameters: period_start, period_end (inclusive), currency, by_payer, by_facility, by_provider, by_month, by_episode.
WITH posted AS (
  SELECT y.unit_id,
         SUM(CASE WHEN y.kind IN ('insurer-payment', 'patient-payment') THEN y.amount ELSE 0 END) AS cash,
         SUM(CASE WHEN y.kind = 'contractual' THEN y.amount ELSE 0 END) AS contractual
  FROM ledger_entry y
  WHERE y.entry_date >= :period_start AND y.entry_date <= :period_end AND y.currency = :currency
    AND y.kind IN ('insurer-payment', 'patient-payment', 'contractual')
  GROUP BY y.unit_id
),
placed AS (
  SELECT a.unit_id AS account_id, COALESCE(a.claim_id, a.unit_id) AS unit_id, a.payer_id, a.payer_display, a.facility_id, a.facility_display, a.provider_reference, a.provider_display,
         a.service_month, a.encounter_id, a.charge, a.contractual, a.denial_write_off, a.bad_debt, a.charity,
         a.applied, a.open_amount,
         CASE WHEN a.service_date >= :period_start AND a.service_date <= :period_end AND a.charge > 0
              THEN 1 ELSE 0 END AS is_in
  FROM account a
  WHERE a.currency = :currency
),
fact AS (
  SELECT a.unit_id, a.payer_id, a.payer_display, a.facility_id, a.facility_display, a.provider_reference, a.provider_display,
         a.service_month, a.is_in,
         CASE WHEN a.is_in = 1 AND a.applied > 0 THEN 1 ELSE 0 END AS is_paid,
         CASE WHEN a.is_in = 1 AND a.open_amount = 0 THEN 1 ELSE 0 END AS is_closed,
         CASE WHEN a.is_in = 1 THEN a.encounter_id END AS encounter_id,
         CASE WHEN a.is_in = 1 THEN a.charge ELSE 0 END AS charge,
         CASE WHEN a.is_in = 1 THEN a.contractual ELSE 0 END AS contractual,
         CASE WHEN a.is_in = 1 THEN a.denial_write_off ELSE 0 END AS denial_write_off,
         CASE WHEN a.is_in = 1 THEN a.bad_debt ELSE 0 END AS bad_debt,
         CASE WHEN a.is_in = 1 THEN a.charity ELSE 0 END AS charity,
         CASE WHEN a.is_in = 1 THEN a.applied ELSE 0 END AS applied,
         COALESCE(p.cash, 0) AS posted_cash, COALESCE(p.contractual, 0) AS posted_contractual
  FROM placed a LEFT JOIN posted p ON p.unit_id = a.account_id
  WHERE a.is_in = 1 OR p.unit_id IS NOT NULL
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN x.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN x.payer_display END AS payer_display,
         CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.service_month END AS month,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.is_in, x.is_paid, x.is_closed, x.encounter_id, x.charge, x.contractual, x.denial_write_off, x.bad_debt, x.charity, x.applied, x.posted_cash, x.posted_contractual
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id,
       SUM(s.is_in) AS episodes,
       SUM(s.is_paid) AS paid_episodes,
       SUM(s.is_closed) AS closed_episodes,
       SUM(CASE WHEN s.is_closed = 1 THEN s.is_paid ELSE 0 END) AS closed_paid_episodes,
       COUNT(DISTINCT s.encounter_id) AS encounters,
       SUM(s.charge) AS charges,
       SUM(s.applied) AS payments,
       SUM(s.contractual) AS contractual_amount,
       SUM(s.charge - s.contractual) AS adjusted_charges,
       SUM(CASE WHEN s.is_closed = 1 THEN s.charge - s.contractual ELSE 0 END) AS closed_adjusted_charges,
       SUM(CASE WHEN s.is_closed = 1 THEN s.applied ELSE 0 END) AS closed_payments,
       SUM(s.denial_write_off) AS denial_write_offs,
       SUM(CASE WHEN s.denial_write_off > 0 THEN 1 ELSE 0 END) AS written_off_episodes,
       SUM(s.bad_debt) AS bad_debts,
       SUM(CASE WHEN s.bad_debt > 0 THEN 1 ELSE 0 END) AS bad_debt_episodes,
       SUM(s.charity) AS charity_amount,
       SUM(CASE WHEN s.charity > 0 THEN 1 ELSE 0 END) AS charity_episodes,
       SUM(s.posted_cash) AS posted_cash,
       SUM(CASE WHEN s.posted_cash <> 0 THEN 1 ELSE 0 END) AS posted_episodes,
       SUM(s.charge - s.posted_contractual) AS calendar_charges
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id
