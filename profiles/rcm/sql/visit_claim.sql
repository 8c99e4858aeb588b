-- Each encounter that a claim bills: the day of the first submission up to the cut, null while all are drafts.
-- A line bills the encounter that it names; one that names none bills those of its patient on the day of
-- service, at the facility of the claim if both say theirs. A claim that only takes another back bills nothing.
WITH line AS (
  SELECT f.claim_id, f.created_date AS submitted_date, f.patient_id, f.facility_id, i.encounter_id,
         COALESCE(i.serviced_date, f.service_date) AS service_date
  FROM claim_fact f JOIN claim_item i ON i.claim_id = f.claim_id
  WHERE f.frequency <> '8'
  UNION ALL
  SELECT c.claim_id, NULL AS submitted_date, c.patient_id, c.facility_id, i.encounter_id,
         COALESCE(i.serviced_date, c.billable_start_date, c.created_date) AS service_date
  FROM claim c JOIN claim_item i ON i.claim_id = c.claim_id
  CROSS JOIN cut k
  WHERE c.status = 'draft' AND c.use = 'claim' AND c.created_date <= k.as_of
),
billed AS (
  SELECT l.encounter_id, l.submitted_date FROM line l WHERE l.encounter_id IS NOT NULL
  UNION ALL
  SELECT v.encounter_id, l.submitted_date
  FROM line l JOIN visit v ON v.patient_id = l.patient_id
  WHERE l.encounter_id IS NULL AND l.service_date >= v.start_date AND l.service_date <= v.end_date
    AND (l.facility_id IS NULL OR v.facility_id IS NULL OR l.facility_id = v.facility_id)
)
SELECT b.encounter_id, MIN(b.submitted_date) AS submitted_date
FROM billed b
GROUP BY b.encounter_id
