-- What is open and what is credit at the cut, how long each credit has stood, and net revenue: the charges of
-- services in the window before it less their contractual adjustments, or the amount that the caller gives for
-- the whole practice. Parameters: window_start, as_of (days of service, inclusive), currency, npsr (0: as the
-- record says), by_….
WITH fact AS (
  SELECT COALESCE(a.claim_id, a.unit_id) AS unit_id, a.payer_id, a.payer_display, a.facility_id, a.facility_display,
         a.provider_reference, a.provider_display, a.service_month AS month, a.open_amount, a.credit_amount,
         CASE WHEN a.service_date >= :window_start AND a.service_date <= :as_of AND a.charge > 0 THEN 1 ELSE 0 END AS is_in_window,
         CASE WHEN a.service_date >= :window_start AND a.service_date <= :as_of AND a.charge > 0
                   AND CAST(:npsr AS DECIMAL(28, 6)) = 0 THEN a.charge - a.contractual ELSE 0 END AS revenue
  FROM account a
  WHERE a.currency = :currency
  UNION ALL
  SELECT NULL AS unit_id, NULL AS payer_id, NULL AS payer_display, NULL AS facility_id, NULL AS facility_display,
         NULL AS provider_reference, NULL AS provider_display, NULL AS month, 0 AS open_amount, 0 AS credit_amount,
         0 AS is_in_window, CAST(:npsr AS DECIMAL(28, 6)) AS revenue
  FROM cut k
  WHERE CAST(:npsr AS DECIMAL(28, 6)) > 0
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
         x.open_amount, x.credit_amount, x.is_in_window, x.revenue
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.unit_id,
       SUM(CASE WHEN s.open_amount > 0 OR s.credit_amount > 0 THEN 1 ELSE 0 END) AS unsettled,
       SUM(s.open_amount - s.credit_amount) AS net_balance,
       SUM(CASE WHEN s.credit_amount > 0 THEN 1 ELSE 0 END) AS credits,
       SUM(s.credit_amount) AS credits_amount,
       SUM(s.is_in_window) AS window_episodes,
       SUM(s.revenue) AS net_revenue
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.unit_id
