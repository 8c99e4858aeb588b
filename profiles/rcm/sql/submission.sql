-- First submissions that rates count: to a first payer, of more than zero, not voided before they were
-- adjudicated; each with what became of its episode. Flags are 1 or 0.
WITH first_answer AS (
  SELECT a.episode_id, a.claim_response_id, a.posted_date, a.denied_lines, a.denied_charge,
         CASE WHEN a.denied_lines > 0 THEN 1 ELSE 0 END AS is_denied,
         CASE WHEN a.denied_lines > 0 AND a.paid = 0 AND a.patient_share = 0 THEN 1 ELSE 0 END AS is_denied_in_full
  FROM adjudicated a
  WHERE a.adjudication_no = 1
),
answers AS (
  SELECT a.episode_id, MAX(a.adjudication_no) AS adjudications,
         MAX(CASE WHEN a.latest_no = 1 AND a.paid > 0 THEN 1 ELSE 0 END) AS is_paid
  FROM adjudicated a
  WHERE a.adjudication_no IS NOT NULL
  GROUP BY a.episode_id
),
first_final AS (
  SELECT r.episode_id, MIN(r.created) AS created
  FROM response r
  WHERE r.kind = 'final' AND r.is_primary = 1
  GROUP BY r.episode_id
),
acceptance AS (
  SELECT r.episode_id, MIN(r.created) AS created, MIN(r.posted_date) AS posted_date
  FROM response r
  WHERE r.kind <> 'rejected' AND r.is_primary = 1
  GROUP BY r.episode_id
),
rejection AS (
  SELECT r.episode_id, 1 AS is_rejected,
         MAX(CASE WHEN r.claim_id = f.claim_id OR a.episode_id IS NULL OR r.created <= a.created
                  THEN 1 ELSE 0 END) AS is_dirty
  FROM response r
  JOIN first_submission f ON f.episode_id = r.episode_id
  LEFT JOIN acceptance a ON a.episode_id = r.episode_id
  WHERE r.kind = 'rejected' AND r.is_primary = 1
  GROUP BY r.episode_id
),
touch AS (
  SELECT t.episode_id
  FROM task_fact t LEFT JOIN acceptance a ON a.episode_id = t.episode_id
  WHERE t.code IN ('edit-hold', 'manual-touch') AND t.is_primary = 1
    AND (a.episode_id IS NULL OR t.authored_date < a.posted_date
         OR (t.authored_date = a.posted_date AND t.authored <= a.created))
  GROUP BY t.episode_id
),
replacement AS (
  SELECT e.episode_id FROM episode e WHERE e.is_primary = 1 AND e.frequency = '7' GROUP BY e.episode_id
),
insurer_detail AS (
  SELECT COALESCE(p.claim_id, r.claim_id) AS claim_id, p.payment_date
  FROM payment_detail p
  CROSS JOIN cut k
  LEFT JOIN claim_response r ON r.claim_response_id = p.claim_response_id
  WHERE p.status = 'active' AND p.amount > 0 AND p.patient_payer_id IS NULL AND p.adjustment IS NULL
    AND COALESCE(p.type, 'payment') <> 'adjustment' AND p.payment_date <= k.as_of
),
payment AS (
  SELECT e.episode_id, MIN(d.payment_date) AS payment_date
  FROM insurer_detail d JOIN episode e ON e.claim_id = d.claim_id
  GROUP BY e.episode_id
)
SELECT f.episode_id, f.claim_id, f.patient_id, f.submitted_date, f.submitted_month, f.service_date, f.currency,
       f.total, f.payer_id, f.payer_display, f.facility_id, f.facility_display, f.provider_reference,
       f.provider_display, n.claim_response_id AS first_response_id, n.posted_date AS first_response_date,
       CASE WHEN n.episode_id IS NULL THEN 0 ELSE 1 END AS is_adjudicated,
       COALESCE(n.is_denied, 0) AS is_denied, COALESCE(n.is_denied_in_full, 0) AS is_denied_in_full,
       COALESCE(n.denied_charge, 0) AS denied_charge, COALESCE(s.is_paid, 0) AS is_paid,
       COALESCE(j.is_rejected, 0) AS is_rejected,
       CASE WHEN COALESCE(j.is_dirty, 0) = 1 OR t.episode_id IS NOT NULL THEN 0 ELSE 1 END AS is_clean,
       CASE WHEN s.adjudications = 1 AND n.is_denied = 0 AND j.episode_id IS NULL AND m.episode_id IS NULL
            THEN 1 ELSE 0 END AS is_first_pass,
       EXTRACT(DAY FROM (CAST(f.submitted_date AS TIMESTAMP) - CAST(f.service_date AS TIMESTAMP))) AS lag_days,
       EXTRACT(DAY FROM (CAST(p.payment_date AS TIMESTAMP) - CAST(f.submitted_date AS TIMESTAMP)))
         AS payment_days
FROM first_submission f
LEFT JOIN first_answer n ON n.episode_id = f.episode_id
LEFT JOIN answers s ON s.episode_id = f.episode_id
LEFT JOIN first_final i ON i.episode_id = f.episode_id
LEFT JOIN rejection j ON j.episode_id = f.episode_id
LEFT JOIN touch t ON t.episode_id = f.episode_id
LEFT JOIN replacement m ON m.episode_id = f.episode_id
LEFT JOIN payment p ON p.episode_id = f.episode_id
WHERE f.total > 0 AND f.payer_order = 1 AND f.self_pay = 0
  AND (f.payer_id IS NOT NULL OR f.payer_display IS NOT NULL)
  AND (f.voided IS NULL OR i.created <= f.voided)
