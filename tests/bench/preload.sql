-- Fills a store that the server has just created with :rows closed incidents of last year, each with the two timeline
-- entries of a short life: history that new incidents should not have to pay for.
-- Ids and numbers are below those of today, as they are in a store that grew.

INSERT INTO incident (id, integration, service, status, severity, holds_key, occurrences, entries, created_at,
    updated_at, last_seen_at, seen_minute, closed_at, title, dedup_key, metadata)
WITH RECURSIVE sequence(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM sequence WHERE n < :rows)
SELECT (strftime('%Y', 'now') - 1) * 10000000000 + n, 1, 1, 5, 3, 0, 1, 2, at, at + 3600000, at, at / 60000, at + 3600000,
       'Disk usage above 90%', 'old-' || (1000000000 + n), '{"host":"web-17"}'
  FROM (SELECT n, (unixepoch('now', '-1 year', 'start of year') * 1000) + n AS at FROM sequence);

INSERT INTO event (incident, at, kind)
SELECT incident.id, incident.created_at, kind.n FROM incident, (SELECT 0 AS n UNION ALL SELECT 9) AS kind;

INSERT INTO counter (year, last) VALUES (strftime('%Y', 'now') - 1, :rows);

-- As if search had it all: the server would otherwise index it while it is measured.
UPDATE search SET up_to = (SELECT max(id) FROM incident);
