-- What is open of each account in each currency; a credit is less than zero. A claim belongs to the account of
-- its encounter, as that says or as what was charged there says, else to the one active account of its patient.
WITH charged AS (
  SELECT COALESCE(i.encounter_id, i.charge_item_id) AS visit_id, MIN(i.account_id) AS account_id
  FROM charge_item i WHERE i.account_id IS NOT NULL
  GROUP BY COALESCE(i.encounter_id, i.charge_item_id)
),
visited AS (
  SELECT n.encounter_id, MIN(n.account_id) AS account_id
  FROM encounter_account n WHERE n.account_id IS NOT NULL GROUP BY n.encounter_id
),
only_one AS (
  SELECT s.patient_id, MIN(s.account_id) AS account_id
  FROM account_subject s WHERE s.status = 'active' AND s.patient_id IS NOT NULL
  GROUP BY s.patient_id HAVING COUNT(s.account_id) = 1
),
owned AS (
  SELECT COALESCE(v.account_id, c.account_id, o.account_id) AS account_id, a.currency, a.balance
  FROM account a
  LEFT JOIN first_submission f ON f.episode_id = a.unit_id
  LEFT JOIN visited v ON v.encounter_id = a.encounter_id
  LEFT JOIN charged c ON c.visit_id = a.encounter_id
  LEFT JOIN only_one o ON o.patient_id = f.patient_id
)
SELECT w.account_id, w.currency, SUM(w.balance) AS balance
FROM owned w WHERE w.account_id IS NOT NULL
GROUP BY w.account_id, w.currency
