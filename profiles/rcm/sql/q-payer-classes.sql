-- Services in the period by the class of who pays first: the type of the coverage that the first submission is
-- adjudicated under, SELF where the patient pays.
-- Parameters: period_start, period_end (days of service, inclusive), currency, by_class, by_facility, by_month,
-- by_episode.
WITH fact AS (
  SELECT COALESCE(a.claim_id, a.unit_id) AS unit_id, CASE WHEN a.self_pay = 1 THEN 'SELF' ELSE v.type_code END AS class,
         a.facility_id, a.facility_display, a.service_month AS month, a.charge, a.applied,
         ROW_NUMBER() OVER (PARTITION BY a.encounter_id ORDER BY a.service_date, a.unit_id) AS place
  FROM account a
  LEFT JOIN claim c ON c.claim_id = a.claim_id
  LEFT JOIN coverage v ON v.coverage_id = c.coverage_id
  WHERE a.service_date >= :period_start AND a.service_date <= :period_end AND a.currency = :currency AND a.charge > 0
),
stratum AS (
  SELECT CASE WHEN :by_facility = 1 THEN x.facility_id END AS facility_id,
         CASE WHEN :by_facility = 1 THEN x.facility_display END AS facility_display,
         CASE WHEN :by_month = 1 THEN x.month END AS month,
         CASE WHEN :by_class = 1 THEN x.class END AS class,
         CASE WHEN :by_episode = 1 THEN x.unit_id END AS unit_id,
         x.charge, x.applied, x.place
  FROM fact x
)
SELECT s.facility_id, s.facility_display, s.month, s.class, s.unit_id,
       COUNT(s.charge) AS episodes,
       SUM(s.charge) AS charges,
       SUM(CASE WHEN s.applied > 0 THEN 1 ELSE 0 END) AS paid_episodes,
       SUM(s.applied) AS payments,
       SUM(CASE WHEN s.place = 1 THEN 1 ELSE 0 END) AS encounters
FROM stratum s
GROUP BY s.facility_id, s.facility_display, s.month, s.class, s.unit_id
