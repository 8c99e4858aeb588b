-- Everything of one patient, claim by claim and visit by visit: the charge, what reduced it, what is open
-- and what of that the patient owes. of_account says whether charge items of the visit name the account.
-- Parameters: patient, account (Patient/…, Account/…).
WITH charged AS (
  SELECT COALESCE(i.encounter_id, i.charge_item_id) AS visit_id,
         MAX(CASE WHEN i.account_id = :account THEN 1 ELSE 0 END) AS of_account
  FROM charge_item i
  GROUP BY COALESCE(i.encounter_id, i.charge_item_id)
)
SELECT a.unit_id, a.claim_id, a.encounter_id, a.currency, a.service_date, a.charge, a.insurer_paid,
       a.contractual, a.denial_write_off, a.patient_paid, a.bad_debt, a.charity, a.small_balance,
       a.open_amount, a.credit_amount, COALESCE(d.patient_amount, 0) AS patient_amount, x.of_account
FROM account a
LEFT JOIN holder_share d ON d.unit_id = a.unit_id
LEFT JOIN claim c ON c.claim_id = a.claim_id
LEFT JOIN encounter n ON n.encounter_id = a.encounter_id
LEFT JOIN charged x ON x.visit_id = a.encounter_id
WHERE c.patient_id = :patient OR (a.claim_id IS NULL AND n.patient_id = :patient)
   OR (a.claim_id IS NULL AND n.encounter_id IS NULL AND x.of_account = 1)
ORDER BY a.service_date, a.unit_id
