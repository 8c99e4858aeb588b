-- Requests for authorization of the period that the payer has decided, by the minutes until the first decision.
-- Parameters: period_start, period_end (days of the request, inclusive), by_… (also by_urgency).
WITH fact AS (
  SELECT a.claim_id AS unit_id, a.payer_id, a.payer_display, a.facility_id, a.facility_display, a.provider_reference,
         a.provider_display, a.created_month AS month, a.urgency, CAST(a.minutes AS INTEGER) AS minutes
  FROM authorization_outcome a
  WHERE a.created_date >= :period_start AND a.created_date <= :period_end AND a.decision IS NOT NULL
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
         x.minutes
  FROM fact x
)
SELECT s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
       s.provider_display, s.month, s.urgency, s.unit_id, s.minutes,
       COUNT(s.minutes) AS decided
FROM stratum s
GROUP BY s.payer_id, s.payer_display, s.facility_id, s.facility_display, s.provider_reference,
         s.provider_display, s.month, s.urgency, s.unit_id, s.minutes
