-- Firebell's store, whole and current. A file that an older Firebell made reaches this shape by the migrations in
-- src/store/schema.rs; a test holds the two together.
--
-- Times are milliseconds since 1970 in UTC. The ingest path writes an incident's row, its timeline, and two indexes that
-- cover only what is held or not closed, so that they stay small however long the history grows. What lists need beyond
-- them is in indexes over closed, resolved or assigned incidents: those are paid when that happens, not by a POST.

-- Services and integrations as rows of small numbers. Rows are only ever added: history keeps its names when the
-- configuration forgets them.
CREATE TABLE service (
    id   INTEGER PRIMARY KEY,
    key  TEXT NOT NULL UNIQUE,               -- the configuration's id: SER-00001
    name TEXT NOT NULL                       -- the last one known
) STRICT;

CREATE TABLE integration (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE incident (
    id              INTEGER PRIMARY KEY,     -- year × 10^10 + sequence: INC-2026-001 is 20260000000001
    integration     INTEGER REFERENCES integration (id),  -- NULL: not made by an alert
    service         INTEGER NOT NULL REFERENCES service (id),
    status          INTEGER NOT NULL CHECK (status BETWEEN 0 AND 5),
                                             -- new, investigating, fixing, monitoring, resolved, closed
    severity        INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 4),
    holds_key       INTEGER NOT NULL CHECK (holds_key IN (0, 1)),
                                             -- a POST with this dedup_key comes here
    occurrences     INTEGER NOT NULL,
    entries         INTEGER NOT NULL,        -- rows in `event`
    repeat_event    INTEGER,                 -- the newest event, if it is one of `repeated`: the next repeat joins it
    repeats         INTEGER NOT NULL DEFAULT 0,
                                             -- how many POSTs that event stands for, the last of them at last_seen_at.
                                             -- Its own row learns of it when another event follows: a repeat then
                                             -- writes one row, not two in two places
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,        -- something changed
    last_seen_at    INTEGER NOT NULL,        -- the last POST
    seen_minute     INTEGER NOT NULL,        -- last_seen_at / 60000, while it is not closed: an index over it is written
                                             -- once a minute, however often the incident repeats
    acknowledged_at INTEGER,
    resolved_at     INTEGER,
    closed_at       INTEGER,
    title           TEXT NOT NULL,
    dedup_key       TEXT,
    description     TEXT,
    source_url      TEXT,
    metadata        TEXT NOT NULL,           -- a JSON object, compact, numbers as they were sent
    assigned_to     TEXT,
    acknowledged_by TEXT,
    resolved_by     TEXT,
    kept            INTEGER NOT NULL DEFAULT 0,
                                             -- what a person set, which alerts leave alone until it is re-opened:
                                             -- 1 title, 2 description, 4 severity
    CHECK (holds_key = 0 OR dedup_key IS NOT NULL)
) STRICT;

-- At most one incident holds a key: this index decides, not the code. It serves both rules of `after_resolve`, and as
-- it covers only what is held, it stays small however long the history grows.
CREATE UNIQUE INDEX incident_by_held_key ON incident (integration, dedup_key) WHERE holds_key = 1;

-- What is not closed, by when it was last seen, with all that lists are most often filtered by.
CREATE INDEX incident_not_closed ON incident (seen_minute, severity, status, service, integration) WHERE status < 5;

-- The history, by each of these. Within one value the row's id, and so the order of recording, follows.
CREATE INDEX incident_closed_by_severity ON incident (severity) WHERE status = 5;
CREATE INDEX incident_closed_by_service ON incident (service) WHERE status = 5;
CREATE INDEX incident_closed_by_integration ON incident (integration) WHERE status = 5;

-- Keys that are not held any more.
CREATE INDEX incident_by_released_key ON incident (dedup_key) WHERE holds_key = 0 AND dedup_key IS NOT NULL;

CREATE INDEX incident_by_assignee ON incident (assigned_to) WHERE assigned_to IS NOT NULL;
CREATE INDEX incident_by_resolver ON incident (resolved_by) WHERE resolved_by IS NOT NULL;

-- What `close_resolved_after` looks through, and lists by time of resolution.
CREATE INDEX incident_by_resolution ON incident (status, resolved_at) WHERE resolved_at IS NOT NULL;

-- The second and further services of an incident; the first is in its row.
CREATE TABLE further_service (
    incident INTEGER NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,               -- from 1
    service  INTEGER NOT NULL REFERENCES service (id),
    PRIMARY KEY (incident, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX further_service_by_service ON further_service (service, incident);

-- Incidents that were recorded after the clock had gone back: from each of them to the next, `created_at` only grows,
-- so that a span of time is found by halving.
CREATE TABLE clock_step (
    incident INTEGER PRIMARY KEY
) STRICT;

-- The timeline, append-only but for runs of repeats. The changes, undone from the newest back, give an incident's
-- title, severity, status, service and metadata at any past time.
CREATE TABLE event (
    id       INTEGER PRIMARY KEY,
    incident INTEGER NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    at       INTEGER NOT NULL,
    kind     INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 9),
                                             -- created, updated, repeated, reopened, status_changed, acknowledged,
                                             -- assigned, comment, resolved, closed
    count    INTEGER NOT NULL DEFAULT 1,     -- events that this row stands for
    last_at  INTEGER,                        -- the last of them; NULL: `at`
    actor    TEXT,                           -- NULL: the incident's integration
    message  TEXT,
    changes  TEXT                            -- a JSON array of {field, from, to}; NULL: none
) STRICT;

CREATE INDEX event_by_incident ON event (incident);

-- The highest sequence given out in a year. It moves in the incident's own transaction, so no number is lost to a
-- failure, and none comes again after a deletion.
CREATE TABLE counter (
    year INTEGER PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT;

-- Results of requests with an Idempotency-Key, for 24 hours and up to a number.
CREATE TABLE idempotency (
    scope  TEXT NOT NULL,                    -- 'integration:3'
    key    TEXT NOT NULL,
    digest BLOB NOT NULL,                    -- SHA-256 of the body
    at     INTEGER NOT NULL,
    result TEXT NOT NULL,                    -- JSON
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (at);

-- The last requests of each integration, accepted and refused, without secrets. Written about once a second, beside
-- the alerts' own transactions, and bounded in number, bytes and age.
CREATE TABLE delivery (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given out again: people note it down
    integration INTEGER NOT NULL REFERENCES integration (id),
    at          INTEGER NOT NULL,            -- when it was answered
    status      INTEGER NOT NULL,            -- the answer's
    bytes       INTEGER NOT NULL,            -- what this row counts for
    size        INTEGER NOT NULL,            -- of the body, as it was sent
    body_cut    INTEGER NOT NULL CHECK (body_cut IN (0, 1)),  -- not all of it is in `body`
    redacted    INTEGER NOT NULL CHECK (redacted IN (0, 1)),  -- secrets were taken out of `body`
    proven      INTEGER NOT NULL CHECK (proven IN (0, 1)),    -- it proved who sent it, as far as that was asked
    replays     INTEGER,                     -- the delivery that was sent again
    request_id  TEXT NOT NULL,
    outcomes    TEXT NOT NULL,               -- a JSON object: of how many alerts, {"created":2}
    incidents   TEXT NOT NULL,               -- the first of their numbers, with spaces between
    error_code  TEXT,                        -- NULL: it was accepted
    error       TEXT,
    route       TEXT NOT NULL,               -- its path as the server's table writes it: no key
    topic       TEXT,                        -- what stood in the path behind the key
    query       TEXT,                        -- behind the `?` of its URL
    headers     TEXT NOT NULL,               -- one a line
    body        BLOB NOT NULL
) STRICT;

CREATE INDEX delivery_by_integration ON delivery (integration);
CREATE INDEX delivery_by_age ON delivery (at);

-- Ways to tell people, as the configuration names them. Rows are only ever added.
CREATE TABLE channel (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- For a time nobody is told of certain incidents; what was held back follows when it ends.
CREATE TABLE silence (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given out again: people note it down
    about      TEXT NOT NULL,                -- a JSON object: which incidents
    starts_at  INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    comment    TEXT NOT NULL,
    author     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER,                      -- when it was ended before its time
    ended_by   TEXT,
    incidents  INTEGER NOT NULL DEFAULT 0    -- rows in `silenced`
) STRICT;

-- The incidents to which something happened that people would be told of, but for a silence; also those of which nobody
-- is ever told.
CREATE TABLE silenced (
    incident INTEGER NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    silence  INTEGER NOT NULL REFERENCES silence (id) ON DELETE CASCADE,
    at       INTEGER NOT NULL,               -- the first time
    PRIMARY KEY (incident, silence)
) STRICT, WITHOUT ROWID;

CREATE INDEX silenced_by_silence ON silenced (silence);

-- What people are owed, and for some time what they were told. Written in the transaction of what it tells of. What is
-- owed is bounded for each channel: what there is no room for is counted in one row.
CREATE TABLE outbox (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given out again: receivers know messages by it
    message  INTEGER,                        -- the first of those that go out together; NULL: none was tried
    channel  INTEGER NOT NULL REFERENCES channel (id),
    incident INTEGER REFERENCES incident (id) ON DELETE CASCADE,
                                             -- NULL: it stands for `count` without room
    reason   INTEGER NOT NULL CHECK (reason BETWEEN 0 AND 4),
                                             -- created, raised, reopened, resolved, unacknowledged
    count    INTEGER NOT NULL DEFAULT 1,
    at       INTEGER NOT NULL,               -- when it happened
    due_at   INTEGER NOT NULL,               -- when it was to be told
    held     INTEGER NOT NULL CHECK (held BETWEEN 0 AND 3),
                                             -- why not at once: it was; digest, quiet hours, silence
    silence  INTEGER REFERENCES silence (id) ON DELETE SET NULL,  -- the last one that held it
    standing INTEGER NOT NULL DEFAULT 0 CHECK (standing BETWEEN 0 AND 3),
                                             -- owed, told, given up, moot
    attempts INTEGER NOT NULL DEFAULT 0,
    try_at   INTEGER NOT NULL,               -- when it is tried next
    tried_at INTEGER,                        -- when it was tried last
    answer   TEXT                            -- what came of that
) STRICT;

CREATE INDEX outbox_owed ON outbox (channel, message, try_at) WHERE standing = 0;
CREATE INDEX outbox_done ON outbox (tried_at) WHERE standing <> 0;
CREATE INDEX outbox_by_incident ON outbox (incident);
CREATE INDEX outbox_by_silence ON outbox (silence, incident) WHERE silence IS NOT NULL;

-- Incidents that a receiver takes for open, since it was told so and not of the end, or shows by themselves. It outlives
-- the outbox, and of what is closed nothing stays but what is yet to be told.
CREATE TABLE told (
    incident INTEGER NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    channel  INTEGER NOT NULL REFERENCES channel (id),
    open     INTEGER NOT NULL CHECK (open IN (0, 1)),  -- not so: it is shown there, and may come back
    alone    INTEGER NOT NULL CHECK (alone IN (0, 1)),  -- by a message about no other
    PRIMARY KEY (incident, channel)
) STRICT, WITHOUT ROWID;

-- What links that act are signed with. Made with the file, and never shown.
CREATE TABLE link_key (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value BLOB NOT NULL CHECK (length(value) = 64)
) STRICT;

-- The words of titles and descriptions, as src/store/search.rs splits and folds them. Filled between batches.
CREATE VIRTUAL TABLE incident_text USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

-- Every word there ever was, to find those that begin like another.
CREATE TABLE word (
    word TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Incidents up to this one are in incident_text, but for those whose text has changed since.
CREATE TABLE search (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    up_to   INTEGER NOT NULL
) STRICT;

INSERT INTO search (id, up_to) VALUES (1, 0);

CREATE TABLE search_changed (
    incident INTEGER PRIMARY KEY
) STRICT;

-- One row, written to see whether writing works, and to notice a clock that leaps.
CREATE TABLE pulse (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    beats INTEGER NOT NULL,                  -- grows at each, since SQLite does not write what has not changed
    at    INTEGER NOT NULL,                  -- the last time that was trusted
    alive_at INTEGER NOT NULL                -- the last time at which pings of heartbeats could be taken, to ten seconds
) STRICT;

INSERT INTO pulse (id, beats, at, alive_at) VALUES (1, 0, 0, 0);

-- What is known of each heartbeat that has reported, by the name that the configuration has for it.
CREATE TABLE heartbeat (
    name         TEXT PRIMARY KEY,
    period_ms    INTEGER NOT NULL,           -- by which the deadlines were set
    grace_ms     INTEGER NOT NULL,
    last_ping_at INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,           -- a success must have come by then, or it is missed; while it is down: again
    started_at   INTEGER,                    -- of the run under way
    ends_by      INTEGER,                    -- that run must have ended by then
    down         INTEGER NOT NULL CHECK (down IN (0, 1)),  -- failed or missed, and no success since
    excused      INTEGER NOT NULL CHECK (excused IN (0, 1)),  -- a ping may have come in vain; no end of a run since
    run          TEXT,                       -- what the run under way is called
    message      TEXT                        -- the last one
) STRICT, WITHOUT ROWID;

-- People who have logged in. Cookies and tokens themselves are nowhere.
CREATE TABLE session (
    id         BLOB NOT NULL UNIQUE,         -- SHA-256 of what the cookie holds
    token      BLOB NOT NULL,                -- SHA-256 of the token that it was begun with
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
