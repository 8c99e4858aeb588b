-- Where each claim stands, one row for each thing that can be said: how far it came, and for what was
-- decided what became of it.
WITH placed AS (
  SELECT r.claim_id, r.claim_response_id, r.kind,
         ROW_NUMBER() OVER (PARTITION BY r.claim_id ORDER BY r.created DESC, r.claim_response_id DESC) AS place
  FROM response r WHERE r.kind <> 'reversal'
),
counted AS (
  SELECT r.claim_id, SUM(CASE WHEN r.kind = 'final' THEN 1 ELSE 0 END) AS finals,
         SUM(CASE WHEN r.kind = 'reversal' THEN 1 ELSE 0 END) AS reversals
  FROM response r GROUP BY r.claim_id
),
held AS (
  SELECT t.claim_id FROM task t
  WHERE t.code = 'edit-hold'
    AND t.status NOT IN ('completed', 'cancelled', 'failed', 'rejected', 'entered-in-error')
  GROUP BY t.claim_id
),
far AS (
  SELECT e.claim_id, e.episode_id, e.is_primary,
         CASE WHEN p.claim_id IS NULL AND n.claim_id IS NOT NULL THEN 'accepted'
              WHEN p.claim_id IS NULL AND h.claim_id IS NOT NULL THEN 'held'
              WHEN p.claim_id IS NULL THEN 'sent'
              WHEN p.kind = 'rejected' THEN 'rejected'
              WHEN p.kind IN ('accepted', 'pended') THEN 'accepted'
              WHEN n.finals <= n.reversals THEN 'accepted'
              WHEN d.denied_lines = 0 THEN 'paid'
              WHEN d.paid = 0 AND d.patient_share = 0 THEN 'denied'
              ELSE 'partial' END AS state
  FROM episode e
  LEFT JOIN placed p ON p.claim_id = e.claim_id AND p.place = 1
  LEFT JOIN counted n ON n.claim_id = e.claim_id
  LEFT JOIN held h ON h.claim_id = e.claim_id
  LEFT JOIN adjudicated d ON d.claim_response_id = p.claim_response_id
),
decided AS (
  SELECT f.claim_id, f.episode_id, f.is_primary FROM far f WHERE f.state IN ('paid', 'partial', 'denied')
),
appealed AS (
  SELECT t.claim_id FROM task_fact t
  WHERE t.code = 'appeal' AND t.decision IS NULL AND t.ended_date IS NULL GROUP BY t.claim_id
),
corrected AS (
  SELECT r.related_claim_id AS claim_id
  FROM claim_related r
  JOIN episode n ON n.claim_id = r.claim_id
  JOIN far f ON f.claim_id = n.claim_id
  WHERE n.frequency IN ('7', '8') AND f.state <> 'rejected'
  GROUP BY r.related_claim_id
),
awaited AS (
  SELECT c.episode_id FROM payer_chain c WHERE c.place > 1 AND c.posted_date IS NULL GROUP BY c.episode_id
),
owed AS (
  SELECT b.unit_id, SUM(b.open_amount) AS open_amount,
         SUM(CASE WHEN b.holder = 'patient' THEN b.open_amount ELSE 0 END) AS patient_amount
  FROM open_balance b GROUP BY b.unit_id
)
SELECT c.claim_id, 'draft' AS state FROM claim c WHERE c.use = 'claim' AND c.status = 'draft'
UNION ALL
SELECT f.claim_id, f.state FROM far f
UNION ALL
SELECT d.claim_id, 'appealed' AS state FROM decided d JOIN appealed a ON a.claim_id = d.claim_id
UNION ALL
SELECT d.claim_id, 'corrected' AS state FROM decided d JOIN corrected a ON a.claim_id = d.claim_id
UNION ALL
SELECT d.claim_id, 'secondary' AS state
FROM decided d JOIN awaited w ON w.episode_id = d.episode_id WHERE d.is_primary = 1
UNION ALL
SELECT d.claim_id, 'patient' AS state
FROM decided d JOIN owed o ON o.unit_id = d.episode_id
WHERE o.patient_amount > 0 AND o.open_amount = o.patient_amount
UNION ALL
SELECT d.claim_id, 'written-off' AS state
FROM decided d JOIN account a ON a.unit_id = d.episode_id
WHERE a.denial_write_off + a.bad_debt + a.charity + a.small_balance > 0
UNION ALL
SELECT d.claim_id, 'closed' AS state
FROM decided d JOIN account a ON a.unit_id = d.episode_id WHERE a.open_amount = 0
