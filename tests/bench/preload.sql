-- Fills a store that the server has just created with :rows closed incidents of last year, each with the one
-- timeline entry that a webhook makes: history that new incidents should not have to pay for.
-- Ids and numbers are below those of today, as they are in a store that grew.

INSERT INTO incident (id, title, dedup_key, status, occurrences, created_at, closed_at)
WITH RECURSIVE sequence(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM sequence WHERE n < :rows)
SELECT (strftime('%Y', 'now') - 1) * 10000000000 + n,
       'Disk usage above 90%',
       'old-' || (1000000000 + n),
       'closed',
       1,
       (unixepoch('now', '-1 year', 'start of year') * 1000) + n,
       (unixepoch('now', '-1 year', 'start of year') * 1000) + n + 3600000
  FROM sequence;

INSERT INTO event (incident, at, kind)
SELECT id, created_at, 'created' FROM incident;
