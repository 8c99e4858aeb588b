-- Requests for authorization of the period: those that the payer has decided, how, whether in time (a standard
-- one within seven days, an expedited one within 72 hours), and whether a refusal was turned by an appeal.
-- Parameters: period_start, period_end (days of the request, inclusive), by_… (also by_urgency).
WITH fact AS (
  SELECT a.claim_id AS unit_id, a.payer_id, a.payer_display, a.facility_id, a.facility_display, a.provider_reference,
         a.provider_display, a.created_month AS month, a.urgency,
         CASE WHEN a.decision IS NULL THEN 0 ELSE 1 END AS is_decided,
         CASE WHEN a.decision = 'approved' THEN 1 ELSE 0 END AS is_approved,
         CASE WHEN a.decision = 'denied' THEN 1 ELSE 0 END AS is_denied,
         CASE WHEN a.decision = 'denied' AND a.last_decision = 'approved' AND a.appealed_date >= a.decided_date
                   AND a.appealed_date <= a.last_decided_date THEN 1 ELSE 0 END AS is_turned,
         CASE WHEN a.decision IS NULL THEN 0 WHEN a.urgency = 'expedited' AND a.minutes <= 4320 THEN 1
              WHEN a.urgency = 'standard' AND a.days <= 7 THEN 1 ELSE 0 END AS is_in_time
  FROM authorization_outcome a
  WHERE a.created_date >= :period_start AND a.created_date <= :period_end
),
stratum AS (
  SELECT CASE WHEN :by_payer = 1 THEN x.payer_id END AS payer_id,
         CASE WHEN :by_payer = 1 THEN x.payer_display END AS payer_display,
         CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.month END AS month,
         CASE WHEN :by_urgency = 1 THEN x.urgency END AS urgency,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.is_decided, x.is_approved, x.is_denied, x.is_turned, x.is_in_time
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.urgency, s.unit_id,
       COUNT(s.is_decided) AS requests,
       SUM(s.is_decided) AS decided,
       SUM(s.is_approved) AS approved,
       SUM(s.is_denied) AS denied,
       SUM(s.is_turned) AS approved_after_appeal,
       SUM(s.is_in_time) AS in_time
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.urgency, s.unit_id
