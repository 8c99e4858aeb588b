-- The first submission of each episode, and the episode's final charge: the total of the newest
-- replacement that was answered by other than a rejection, nothing once a void is submitted.
WITH placed AS (
  SELECT e.episode_id, e.claim_id,
         ROW_NUMBER() OVER (PARTITION BY e.episode_id ORDER BY e.created, e.is_related, e.claim_id) AS place
  FROM episode e
  WHERE e.is_primary = 1 AND e.is_duplicate = 0 AND e.frequency NOT IN ('7', '8')
),
welcomed AS (
  SELECT r.claim_id FROM response r WHERE r.kind <> 'rejected' GROUP BY r.claim_id
),
replacement AS (
  SELECT s.episode_id, s.charge
  FROM (
    SELECT e.episode_id, e.charge,
           ROW_NUMBER() OVER (PARTITION BY e.episode_id ORDER BY e.created DESC, e.claim_id DESC) AS place
    FROM episode e JOIN welcomed w ON w.claim_id = e.claim_id
    WHERE e.is_primary = 1 AND e.frequency = '7'
  ) s
  WHERE s.place = 1
),
void AS (
  SELECT e.episode_id, MIN(e.created) AS created
  FROM episode e
  WHERE e.is_primary = 1 AND e.frequency = '8'
  GROUP BY e.episode_id
)
SELECT p.episode_id, p.claim_id, c.patient_id, c.created, c.created_date AS submitted_date, c.service_date,
       SUBSTRING(CAST(c.created_date AS VARCHAR(10)), 1, 7) AS submitted_month,
       SUBSTRING(CAST(c.service_date AS VARCHAR(10)), 1, 7) AS service_month,
       COALESCE(c.charge, 0) AS total, c.currency, c.payer_id, c.payer_display, c.payer_order, c.self_pay,
       c.facility_id, c.facility_display, c.provider_reference, c.provider_display, c.encounter_id,
       v.created AS voided,
       CASE WHEN v.episode_id IS NOT NULL THEN 0 ELSE COALESCE(r.charge, c.charge, 0) END AS charge
FROM placed p
JOIN claim_fact c ON c.claim_id = p.claim_id
LEFT JOIN replacement r ON r.episode_id = p.episode_id
LEFT JOIN void v ON v.episode_id = p.episode_id
WHERE p.place = 1
