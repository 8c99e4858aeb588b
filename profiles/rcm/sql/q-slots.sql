-- Minutes that the schedule offers in the period, and those of them that are booked. What is blocked is not
-- offered; what is held but not confirmed is offered and not booked.
-- Parameters: period_start, period_end (days of the slot, inclusive), by_….
WITH timed AS (
  SELECT t.slot_id, t.status, h.location_id, h.practitioner_reference, h.practitioner_display, l.name AS facility_display,
         COALESCE(business_date(t.start, COALESCE(k.timezone, l.zone, o.zone)), t.start_date) AS start_date, k.as_of,
         1440 * EXTRACT(DAY FROM (CAST(CAST(t.ended AS DATE) AS TIMESTAMP) - CAST(CAST(t.start AS DATE) AS TIMESTAMP)))
         + 60 * (EXTRACT(HOUR FROM t.ended) - EXTRACT(HOUR FROM t.start))
         + EXTRACT(MINUTE FROM t.ended) - EXTRACT(MINUTE FROM t.start) AS minutes
  FROM slot t
  CROSS JOIN cut k
  LEFT JOIN schedule h ON h.schedule_id = t.schedule_id
  LEFT JOIN location l ON l.location_id = h.location_id
  LEFT JOIN organization o ON o.organization_id = l.managing_organization_id
  WHERE t.status IN ('busy', 'free', 'busy-tentative')
),
fact AS (
  SELECT t.slot_id AS unit_id, t.location_id AS facility_id, t.facility_display,
         t.practitioner_reference AS provider_reference, t.practitioner_display AS provider_display,
         SUBSTRING(CAST(t.start_date AS VARCHAR(10)), 1, 7) AS month, CAST(t.minutes AS INTEGER) AS minutes,
         CASE WHEN t.status = 'busy' THEN CAST(t.minutes AS INTEGER) ELSE 0 END AS booked
  FROM timed t
  WHERE t.start_date >= :period_start AND t.start_date <= :period_end AND t.start_date <= t.as_of AND t.minutes > 0
),
stratum AS (
  SELECT CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.month END AS month,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.minutes, x.booked
  FROM fact x
)
SELECT s.facility_id, s.facility_display, s.provider_reference, s.provider_display, s.month, s.unit_id,
       SUM(s.minutes) AS offered_minutes,
       SUM(s.booked) AS booked_minutes
FROM stratum s
GROUP BY s.facility_id, s.facility_display, s.provider_reference, s.provider_display, s.month, s.unit_id
