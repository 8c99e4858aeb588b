-- Each ChargeItem that is to be billed, once, with business days of the place of its encounter. Charges
-- after the cut are not yet there.
WITH item AS (
  SELECT i.charge_item_id, i.encounter_id, MIN(i.occurrence_date) AS service_date, MIN(i.entered) AS entered,
         MAX(CASE WHEN i.entered_is_instant THEN 1 ELSE 0 END) AS is_instant, MIN(i.entered_date) AS written_date,
         MIN(i.performer_reference) AS provider_reference, MIN(i.performer_display) AS provider_display,
         MIN(CAST(i.price AS DECIMAL(28, 6))) AS amount, MIN(i.currency) AS currency
  FROM charge_item i
  WHERE i.status IN ('planned', 'billable', 'billed')
  GROUP BY i.charge_item_id, i.encounter_id
),
dated AS (
  SELECT i.charge_item_id, i.encounter_id, i.service_date, i.provider_reference, i.provider_display, i.amount,
         i.currency, COALESCE(CASE WHEN i.is_instant = 1 THEN business_date(i.entered, v.zone) END,
                              i.written_date) AS entered_date,
         v.status, v.end_date, v.payer_id, v.payer_display, v.facility_id, v.facility_display,
         v.provider_reference AS seen_by, v.provider_display AS seen_by_display
  FROM item i LEFT JOIN visit v ON v.encounter_id = i.encounter_id
)
SELECT d.charge_item_id, d.encounter_id, d.service_date, d.entered_date,
       SUBSTRING(CAST(d.entered_date AS VARCHAR(10)), 1, 7) AS entered_month, d.amount, d.currency,
       d.status AS visit_status, d.end_date AS visit_end_date, d.payer_id, d.payer_display, d.facility_id,
       d.facility_display, COALESCE(d.provider_reference, d.seen_by) AS provider_reference,
       CASE WHEN d.provider_reference IS NULL THEN COALESCE(d.provider_display, d.seen_by_display)
            ELSE d.provider_display END AS provider_display
FROM dated d CROSS JOIN cut k
WHERE COALESCE(d.entered_date, d.service_date, k.as_of) <= k.as_of
