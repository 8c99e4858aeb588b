-- Lines of submissions with a service in the period: encounters, charges and relative value units of work, and
-- the clinic days that they took: a day of a provider at a facility. An encounter and a clinic day count with
-- the first of their claims. Relative value units are those of CodeSystems that the practice has loaded.
-- Parameters: period_start, period_end (days of service, inclusive), currency, by_….
WITH unit AS (
  SELECT u.product_code, MAX(CAST(u.units AS DECIMAL(18, 4))) AS units
  FROM work_unit u
  WHERE u.status = 'active'
  GROUP BY u.product_code
),
line AS (
  SELECT f.claim_id, f.facility_id, f.facility_display, f.provider_reference, f.provider_display,
         COALESCE(i.serviced_date, f.service_date) AS service_date,
         COALESCE(i.encounter_id, f.encounter_id, f.episode_id) AS encounter_id, CAST(i.net AS DECIMAL(28, 6)) AS net, i.sequence,
         CAST(v.units * CAST(COALESCE(i.quantity, 1) AS DECIMAL(18, 4)) AS DECIMAL(28, 6)) AS units
  FROM first_submission f
  JOIN claim_item i ON i.claim_id = f.claim_id
  LEFT JOIN unit v ON v.product_code = i.product_code
  WHERE f.currency = :currency AND f.charge > 0
),
worked AS (
  SELECT l.claim_id, l.facility_id, l.facility_display, l.provider_reference, l.provider_display, l.service_date, l.net, l.units,
         ROW_NUMBER() OVER (PARTITION BY l.encounter_id ORDER BY l.service_date, l.claim_id, l.sequence) AS encounter_line,
         ROW_NUMBER() OVER (PARTITION BY COALESCE(l.provider_reference, l.provider_display),
                                         COALESCE(l.facility_id, l.facility_display), l.service_date
                            ORDER BY l.claim_id, l.sequence) AS day_line
  FROM line l
  WHERE l.service_date >= :period_start AND l.service_date <= :period_end
),
fact AS (
  SELECT w.claim_id AS unit_id, w.facility_id, w.facility_display, w.provider_reference, w.provider_display,
         SUBSTRING(CAST(w.service_date AS VARCHAR(10)), 1, 7) AS month, COALESCE(w.net, 0) AS net, COALESCE(w.units, 0) AS units,
         CASE WHEN w.units IS NULL THEN 0 ELSE 1 END AS is_valued,
         CASE WHEN w.encounter_line = 1 THEN 1 ELSE 0 END AS is_encounter,
         CASE WHEN w.day_line = 1 THEN 1 ELSE 0 END AS is_day
  FROM worked w
),
stratum AS (
  SELECT CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_provider = 1 THEN x.provider_reference END AS provider_reference,
         CASE WHEN :by_provider = 1 THEN x.provider_display END AS provider_display,
         CASE WHEN :by_month = 1 THEN x.month END AS month,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.net, x.units, x.is_valued, x.is_encounter, x.is_day
  FROM fact x
)
SELECT s.facility_id, s.facility_display, s.provider_reference, s.provider_display, s.month, s.unit_id,
       SUM(s.is_day) AS clinic_days,
       SUM(s.is_encounter) AS encounters,
       COUNT(s.net) AS lines,
       SUM(s.net) AS charges,
       SUM(s.is_valued) AS valued_lines,
       SUM(s.units) AS work_units,
       SUM(1 - s.is_valued) AS lines_without_units
FROM stratum s
GROUP BY s.facility_id, s.facility_display, s.provider_reference, s.provider_display, s.month, s.unit_id
