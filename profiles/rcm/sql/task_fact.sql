-- Work on claims that count, up to the cut, with business days. A decision after the cut is not yet known.
WITH dated AS (
  SELECT t.task_id, t.code, e.episode_id, t.claim_id, e.is_primary, t.authored, t.decision,
         COALESCE(CASE WHEN t.authored_is_instant THEN business_date(t.authored, e.zone) END,
                  t.authored_date) AS authored_date,
         COALESCE(CASE WHEN t.ended_is_instant THEN business_date(t.ended, e.zone) END,
                  t.ended_date) AS ended_date
  FROM task t JOIN episode e ON e.claim_id = t.claim_id
  WHERE t.code IS NOT NULL AND t.status NOT IN ('entered-in-error', 'cancelled')
)
SELECT d.task_id, d.code, d.episode_id, d.claim_id, d.is_primary, d.authored, d.authored_date,
       CASE WHEN d.ended_date <= k.as_of THEN d.ended_date END AS ended_date,
       CASE WHEN d.ended_date <= k.as_of THEN d.decision END AS decision
FROM dated d CROSS JOIN cut k
WHERE d.authored_date <= k.as_of
