-- Fills a store that the server has just created with :rows incidents of last year, as varied as those of a busy
-- company, of which :open are not closed: every tenth of these is old, the others are the newest.
-- Ids and numbers are below those of today, as they are in a store that grew.

WITH RECURSIVE sequence(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM sequence WHERE n < 59)
INSERT INTO service (key, name) SELECT 'SER-' || (10000 + n), 'Service ' || n FROM sequence;

INSERT INTO integration (name) VALUES ('grafana'), ('alertmanager'), ('uptime'), ('backup');

CREATE TEMP TABLE facts AS
WITH RECURSIVE sequence(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM sequence WHERE n < :rows)
SELECT n,
       (strftime('%Y', 'now') - 1) * 10000000000 + n AS id,
       (unixepoch('now', '-1 year', 'start of year') * 1000) + n * 6000 AS at,
       (n * 7919) % 100 AS dice,
       (n * 104729) % 97 AS other,
       n > :rows - :open * 9 / 10 OR n % (:rows / (:open / 10)) = 7 AS is_open
  FROM sequence;

INSERT INTO incident (id, integration, service, status, severity, holds_key, occurrences, entries, created_at,
    updated_at, last_seen_at, seen_minute, acknowledged_at, acknowledged_by, assigned_to, resolved_at, resolved_by,
    closed_at, title, dedup_key, description, metadata)
SELECT id,
       1 + other % 5,
       1 + (other * 31 + dice) % 50,
       CASE WHEN NOT is_open THEN 5 WHEN dice < 60 THEN 0 WHEN dice < 80 THEN 1 WHEN dice < 85 THEN 2
            WHEN dice < 90 THEN 3 ELSE 4 END,
       CASE WHEN dice < 1 THEN 0 WHEN dice < 6 THEN 1 WHEN dice < 26 THEN 2 WHEN dice < 76 THEN 3 ELSE 4 END,
       is_open,
       1 + other % 40, 2, at, at + 3600000,
       at + 1800000 + other * 60000, (at + 1800000 + other * 60000) / 60000,
       iif(other < 2, at + 60000, NULL), iif(other < 2, 'person-' || (dice % 20), NULL),
       iif(other < 2, 'person-' || (dice % 20), NULL),
       iif(is_open AND dice < 90, NULL, at + 3600000),
       iif(is_open AND dice < 90, NULL, iif(other < 10, 'ops@example.org', 'integration:grafana')),
       iif(is_open, NULL, at + 90000000),
       json_extract('["Disk usage above 90%","Database connection pool exhausted","Server is down",'
           || '"Certificate expires soon","Backup failed","Replication lag","Queue is growing","High latency",'
           || '"Memory pressure","Überlastung der Datenbank","磁盘空间不足","Timeout while connecting"]', '$[' || (other % 12) || ']')
           || ' on web-' || (n % 2000),
       'key-' || (1000000000 + n),
       iif(dice < 50, 'Region ' || (dice % 7) || ', rack ' || other || ': look at the dashboard first.', NULL),
       '{"host":"web-17"}'
  FROM facts;

INSERT INTO event (incident, at, kind) SELECT id, at, kind.n FROM facts, (SELECT 0 AS n UNION ALL SELECT 1) AS kind;

INSERT INTO counter (year, last) VALUES (strftime('%Y', 'now') - 1, :rows);

DROP TABLE facts;

PRAGMA optimize;
