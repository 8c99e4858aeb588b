-- Cash of patients for services in the period, and what of it was paid on the day of service or within
-- the days around it that are allowed. Parameters: period_start, period_end (days of service, inclusive),
-- within_days, currency, by_….
WITH cash AS (
  SELECT y.unit_id, y.entry_date, SUM(y.amount) AS amount, COUNT(y.amount) AS payments
  FROM ledger_entry y
  WHERE y.kind = 'patient-payment' AND y.currency = :currency
  GROUP BY y.unit_id, y.entry_date
),
fact AS (
  SELECT COALESCE(a.claim_id, a.unit_id) AS unit_id, a.payer_id, a.payer_display, a.facility_id, a.facility_display, a.provider_reference, a.provider_display,
         a.service_month, c.amount, c.payments,
         CASE WHEN EXTRACT(DAY FROM (CAST(c.entry_date AS TIMESTAMP) - CAST(a.service_date AS TIMESTAMP)))
                   BETWEEN 0 - :within_days AND :within_days THEN 1 ELSE 0 END AS is_at_visit
  FROM account a JOIN cash c ON c.unit_id = a.unit_id
  WHERE a.service_date >= :period_start AND a.service_date <= :period_end AND a.currency = :currency
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
         x.amount, x.payments, x.is_at_visit
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display,
       s.provider_reference, s.provider_display, s.month, s.unit_id,
       SUM(s.payments) AS payments,
       SUM(s.amount) AS payments_amount,
       SUM(CASE WHEN s.is_at_visit = 1 THEN s.payments ELSE 0 END) AS visit_payments,
       SUM(CASE WHEN s.is_at_visit = 1 THEN s.amount ELSE 0 END) AS visit_payments_amount
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display,
         s.provider_reference, s.provider_display, s.month, s.unit_id
