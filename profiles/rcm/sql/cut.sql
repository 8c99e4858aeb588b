-- The moment that is asked about, in one row: the last business day whose events count, and the time
-- zone of business days where it shall not be that of the facility. All layers read it, and it is the
-- only one with parameters, as_of and timezone; on another engine put a table of this name in its place.
SELECT CAST(:as_of AS DATE) AS as_of, NULLIF(CAST(:timezone AS VARCHAR(64)), '') AS timezone
