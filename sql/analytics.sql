-- The analytics database, schema version 1. Where there is no file, `spoa-rules serve` runs this file and then
-- analytics_2.sql, which adds columns to the tables of the log feed and to the summary views.
--
-- Read it through the views at the end, which README describes: their columns stay. Each takes a day as text and finds
-- its rows by it:
--
--   sqlite3 -header -csv analytics.db "SELECT * FROM daily_rules WHERE day = '2026-11-20'"
--
-- The tables below are the agent's own. Each fact is kept twice, for its UTC hour and for its UTC day, because hours
-- are forgotten sooner: hour_rules and day_rules are the same but for `hour` (0 to 23). `day` is text, 2026-11-20.
--
-- For whoever writes it, all within one transaction, so that every reader sees sums that agree:
--   - Counts are added to (ON CONFLICT DO UPDATE SET denied = denied + excluded.denied); what comes from a sketch
--     (clients, paths, percentiles) is replaced. The hour and the day are those in which the request began.
--   - hours and days hold the totals; what hour_rules, with running_rules, hour_clients, hour_paths and minutes say sums
--     to them: sql/questions/totals_agree.sql prints nothing. To rewrite the heaviest clients and paths less often than the
--     totals, add what came since to the row of the rest: the sums agree, and the bounds are those of the last rewriting.
--   - The rows of clients and paths, and the bound of the rest, are all that is needed to go on after a restart.
--   - hour_responses has a row for an hour in which there was a log feed, and none for one without: that makes the
--     views' columns NULL. Its row brings the row of `hours` with it.
--   - Text is valid UTF-8 (base/utf8.h says what other bytes become) and holds no NUL.
--
-- A new version is a new file of statements: see spoa/store/analytics_file.h.

PRAGMA auto_vacuum = incremental;  -- must come before the first table and before WAL

BEGIN;

PRAGMA application_id = 0x53504F4E;  -- "SPON"; rules.db has "SPOA"
PRAGMA user_version = 1;

-- As the rule was last called. Rule 0 is "no rule": no row.
CREATE TABLE rule_names (rule INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;

-- ---- totals

CREATE TABLE hours (
  day TEXT NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
  hour INTEGER NOT NULL CHECK (hour BETWEEN 0 AND 23),
  allowed INTEGER NOT NULL DEFAULT 0, slowed INTEGER NOT NULL DEFAULT 0, denied INTEGER NOT NULL DEFAULT 0,
  shadow_denied INTEGER NOT NULL DEFAULT 0,     -- refusals that shadow rules would have made: two rules, one request: 2
  clients INTEGER NOT NULL DEFAULT 0,           -- distinct ones, estimated from the sketch
  denials_left_out INTEGER NOT NULL DEFAULT 0,  -- not written to denial_log, because they came too fast
  PRIMARY KEY (day, hour)) STRICT, WITHOUT ROWID;

CREATE TABLE days (
  day TEXT NOT NULL PRIMARY KEY CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
  allowed INTEGER NOT NULL DEFAULT 0, slowed INTEGER NOT NULL DEFAULT 0, denied INTEGER NOT NULL DEFAULT 0,
  shadow_denied INTEGER NOT NULL DEFAULT 0, clients INTEGER NOT NULL DEFAULT 0,
  denials_left_out INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;

-- Kept as long as hours.
CREATE TABLE minutes (
  day TEXT NOT NULL, minute INTEGER NOT NULL CHECK (minute BETWEEN 0 AND 1439),  -- of the day
  requests INTEGER NOT NULL DEFAULT 0, denied INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (day, minute)) STRICT, WITHOUT ROWID;

-- ---- decisions by rule

-- allowed, slowed, denied: requests for which this rule decided: the one that denied or slowed it, else the `allow` that
-- ended the walk, else the tightest limit, else 0. Each request is in one row, once. matched: requests that the rule
-- applied to, whoever decided; rule 0: those without a rule.
CREATE TABLE hour_rules (
  day TEXT NOT NULL, hour INTEGER NOT NULL, rule INTEGER NOT NULL,
  matched INTEGER NOT NULL DEFAULT 0, allowed INTEGER NOT NULL DEFAULT 0, slowed INTEGER NOT NULL DEFAULT 0,
  denied INTEGER NOT NULL DEFAULT 0, shadow_denied INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (day, hour, rule)) STRICT, WITHOUT ROWID;

CREATE TABLE day_rules (
  day TEXT NOT NULL, rule INTEGER NOT NULL,
  matched INTEGER NOT NULL DEFAULT 0, allowed INTEGER NOT NULL DEFAULT 0, slowed INTEGER NOT NULL DEFAULT 0,
  denied INTEGER NOT NULL DEFAULT 0, shadow_denied INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (day, rule)) STRICT, WITHOUT ROWID;

-- The hour that is running, or was when the agent stopped: its rows come to the two tables above when another begins.
-- They are written each second, and this costs half of what either of those does.
CREATE TABLE running (day TEXT NOT NULL, hour INTEGER NOT NULL) STRICT;  -- one row, or none

CREATE TABLE running_rules (
  rule INTEGER PRIMARY KEY,
  matched INTEGER NOT NULL DEFAULT 0, allowed INTEGER NOT NULL DEFAULT 0, slowed INTEGER NOT NULL DEFAULT 0,
  denied INTEGER NOT NULL DEFAULT 0, shadow_denied INTEGER NOT NULL DEFAULT 0) STRICT;

-- ---- the heaviest clients and paths

-- requests and denied were counted for this client; it may have made up to error_bound requests more, denied or not, before it
-- was among the heaviest. Those are in the row of the rest (rest = 1, src empty), so that the rows of an hour sum to its
-- total. There, error_bound is the most that any one client without a row can have made: what a client that gets a row
-- begins with. That bound never goes down within the hour or day.
CREATE TABLE hour_clients (
  day TEXT NOT NULL, hour INTEGER NOT NULL, rest INTEGER NOT NULL CHECK (rest IN (0, 1)),
  src TEXT NOT NULL CHECK (rest = 0 OR src = ''),  -- in its counted form; empty: the request had none
  requests INTEGER NOT NULL CHECK (requests >= 0), denied INTEGER NOT NULL CHECK (denied BETWEEN 0 AND requests),
  error_bound INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (day, hour, rest, src)) STRICT, WITHOUT ROWID;

CREATE TABLE day_clients (
  day TEXT NOT NULL, rest INTEGER NOT NULL CHECK (rest IN (0, 1)),
  src TEXT NOT NULL CHECK (rest = 0 OR src = ''),
  requests INTEGER NOT NULL CHECK (requests >= 0), denied INTEGER NOT NULL CHECK (denied BETWEEN 0 AND requests),
  error_bound INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (day, rest, src)) STRICT, WITHOUT ROWID;

-- The same for paths, normalised. Durations are the feed's, of forwarded requests.
CREATE TABLE hour_paths (
  day TEXT NOT NULL, hour INTEGER NOT NULL, rest INTEGER NOT NULL CHECK (rest IN (0, 1)),
  path TEXT NOT NULL CHECK (rest = 0 OR path = ''),
  requests INTEGER NOT NULL CHECK (requests >= 0), denied INTEGER NOT NULL CHECK (denied BETWEEN 0 AND requests),
  duration_count INTEGER NOT NULL DEFAULT 0, duration_us INTEGER NOT NULL DEFAULT 0,  -- their sum
  error_bound INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (day, hour, rest, path)) STRICT, WITHOUT ROWID;

CREATE TABLE day_paths (
  day TEXT NOT NULL, rest INTEGER NOT NULL CHECK (rest IN (0, 1)),
  path TEXT NOT NULL CHECK (rest = 0 OR path = ''),
  requests INTEGER NOT NULL CHECK (requests >= 0), denied INTEGER NOT NULL CHECK (denied BETWEEN 0 AND requests),
  duration_count INTEGER NOT NULL DEFAULT 0, duration_us INTEGER NOT NULL DEFAULT 0,
  error_bound INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (day, rest, path)) STRICT, WITHOUT ROWID;

-- ---- the log feed

-- Each response is in one status column; the other counts are of some of them. Sums are in microseconds; percentiles,
-- in milliseconds, come from the histograms in the sketches, and are NULL as long as nothing was forwarded.
CREATE TABLE hour_responses (
  day TEXT NOT NULL, hour INTEGER NOT NULL,
  status_1xx INTEGER NOT NULL DEFAULT 0, status_2xx INTEGER NOT NULL DEFAULT 0, status_3xx INTEGER NOT NULL DEFAULT 0,
  status_4xx INTEGER NOT NULL DEFAULT 0, status_5xx INTEGER NOT NULL DEFAULT 0, status_other INTEGER NOT NULL DEFAULT 0,
  not_found INTEGER NOT NULL DEFAULT 0,      -- 404
  bytes INTEGER NOT NULL DEFAULT 0,
  coarse_denied INTEGER NOT NULL DEFAULT 0,  -- refused by HAProxy's own limits
  ban_denied INTEGER NOT NULL DEFAULT 0,     -- refused by HAProxy for a ban that the agent had told
  undecided INTEGER NOT NULL DEFAULT 0,      -- the agent was asked and gave no answer in time
  aborted INTEGER NOT NULL DEFAULT 0,        -- the client went away
  origin_errors INTEGER NOT NULL DEFAULT 0,  -- no connection, no answer in time, or a broken one
  duration_count INTEGER NOT NULL DEFAULT 0, duration_us INTEGER NOT NULL DEFAULT 0,
  duration_p50_ms REAL, duration_p95_ms REAL, duration_p99_ms REAL,
  origin_count INTEGER NOT NULL DEFAULT 0, origin_us INTEGER NOT NULL DEFAULT 0, origin_p95_ms REAL,
  PRIMARY KEY (day, hour)) STRICT, WITHOUT ROWID;

CREATE TABLE day_responses (
  day TEXT NOT NULL PRIMARY KEY,
  status_1xx INTEGER NOT NULL DEFAULT 0, status_2xx INTEGER NOT NULL DEFAULT 0, status_3xx INTEGER NOT NULL DEFAULT 0,
  status_4xx INTEGER NOT NULL DEFAULT 0, status_5xx INTEGER NOT NULL DEFAULT 0, status_other INTEGER NOT NULL DEFAULT 0,
  not_found INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
  coarse_denied INTEGER NOT NULL DEFAULT 0, ban_denied INTEGER NOT NULL DEFAULT 0, undecided INTEGER NOT NULL DEFAULT 0,
  aborted INTEGER NOT NULL DEFAULT 0, origin_errors INTEGER NOT NULL DEFAULT 0,
  duration_count INTEGER NOT NULL DEFAULT 0, duration_us INTEGER NOT NULL DEFAULT 0,
  duration_p50_ms REAL, duration_p95_ms REAL, duration_p99_ms REAL,
  origin_count INTEGER NOT NULL DEFAULT 0, origin_us INTEGER NOT NULL DEFAULT 0, origin_p95_ms REAL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER hour_responses_inserted AFTER INSERT ON hour_responses BEGIN
  INSERT INTO hours (day, hour) VALUES (NEW.day, NEW.hour) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER day_responses_inserted AFTER INSERT ON day_responses BEGIN
  INSERT INTO days (day) VALUES (NEW.day) ON CONFLICT DO NOTHING;
END;

-- ---- sketches

-- What distinct clients and percentiles are computed from, so that a restart within the hour goes on with it. Apart
-- from the rows that it belongs to, since it is large and need not be written as often.
CREATE TABLE hour_sketches (
  day TEXT NOT NULL, hour INTEGER NOT NULL, what TEXT NOT NULL CHECK (what IN ('clients', 'duration', 'origin')),
  sketch BLOB NOT NULL,
  PRIMARY KEY (day, hour, what)) STRICT, WITHOUT ROWID;

CREATE TABLE day_sketches (
  day TEXT NOT NULL, what TEXT NOT NULL CHECK (what IN ('clients', 'duration', 'origin')),
  sketch BLOB NOT NULL,
  PRIMARY KEY (day, what)) STRICT, WITHOUT ROWID;

-- ---- the latest denials, one by one

-- shadow = 1: what a shadow rule would have refused. When there are too many of a kind, the oldest of it go.
CREATE TABLE denial_log (
  id INTEGER PRIMARY KEY, time TEXT NOT NULL,  -- 2026-11-20T09:15:02.123Z
  shadow INTEGER NOT NULL DEFAULT 0 CHECK (shadow IN (0, 1)),
  src TEXT, method TEXT, host TEXT, path TEXT,  -- NULL: the request had none
  rule INTEGER NOT NULL, status INTEGER NOT NULL,
  retry_after INTEGER                           -- seconds; NULL: not refused by a limit
) STRICT;

CREATE INDEX denial_log_time ON denial_log (shadow, time);

-- ---- views

-- Durations from sums are rounded to a microsecond. Rows come in an order to read them in; the CSV files keep it.

CREATE VIEW daily_summary AS
  SELECT day, allowed + slowed + denied AS requests, allowed, slowed, denied, shadow_denied, clients,
    status_1xx + status_2xx + status_3xx + status_4xx + status_5xx + status_other AS responses,
    coarse_denied, ban_denied, undecided,
    status_1xx, status_2xx, status_3xx, status_4xx, status_5xx, status_other, not_found, bytes,
    round(duration_us / 1000.0 / nullif(duration_count, 0), 3) AS duration_avg_ms,
    duration_p50_ms, duration_p95_ms, duration_p99_ms,
    round(origin_us / 1000.0 / nullif(origin_count, 0), 3) AS origin_avg_ms, origin_p95_ms
  FROM days LEFT JOIN day_responses USING (day) ORDER BY day;

CREATE VIEW hourly_summary AS
  SELECT day, hour, allowed + slowed + denied AS requests, allowed, slowed, denied, shadow_denied, clients,
    status_1xx + status_2xx + status_3xx + status_4xx + status_5xx + status_other AS responses,
    coarse_denied, ban_denied, undecided,
    status_1xx, status_2xx, status_3xx, status_4xx, status_5xx, status_other, not_found, bytes,
    round(duration_us / 1000.0 / nullif(duration_count, 0), 3) AS duration_avg_ms,
    duration_p50_ms, duration_p95_ms, duration_p99_ms,
    round(origin_us / 1000.0 / nullif(origin_count, 0), 3) AS origin_avg_ms, origin_p95_ms
  FROM hours LEFT JOIN hour_responses USING (day, hour) ORDER BY day, hour;

-- In two halves, those that day_rules has and those that it has not yet, so that a day is found by its key.
CREATE VIEW daily_rules AS
  SELECT d.day AS day, d.rule AS rule, coalesce(name, '') AS name, d.matched + ifnull(r.matched, 0) AS matched,
    d.allowed + ifnull(r.allowed, 0) AS allowed, d.slowed + ifnull(r.slowed, 0) AS slowed,
    d.denied + ifnull(r.denied, 0) AS denied, d.shadow_denied + ifnull(r.shadow_denied, 0) AS shadow_denied
  FROM day_rules AS d LEFT JOIN running_rules AS r ON r.rule = d.rule AND d.day = (SELECT day FROM running)
    LEFT JOIN rule_names AS n ON n.rule = d.rule
  UNION ALL
  SELECT day, rule, coalesce(name, ''), matched, allowed, slowed, denied, shadow_denied
  FROM running CROSS JOIN running_rules LEFT JOIN rule_names USING (rule)
  WHERE NOT EXISTS (SELECT * FROM day_rules AS d WHERE d.day = running.day AND d.rule = running_rules.rule)
  ORDER BY day, rule;

-- The rest is called `other`, and is the one row whose error_bound is NULL: a client that sends "other" as its src,
-- where an operator counts by what clients send, has a number there.
CREATE VIEW daily_clients AS
  SELECT day, iif(rest, 'other', src) AS src, requests, denied, iif(rest, NULL, error_bound) AS error_bound
  FROM day_clients ORDER BY day, rest, requests DESC, day_clients.src;

CREATE VIEW daily_paths AS
  SELECT day, iif(rest, 'other', path) AS path, requests, denied,
    round(duration_us / 1000.0 / nullif(duration_count, 0), 3) AS duration_avg_ms,
    iif(rest, NULL, error_bound) AS error_bound
  FROM day_paths ORDER BY day, rest, requests DESC, day_paths.path;

CREATE VIEW denials AS
  SELECT time, src, method, host, path, rule, coalesce(name, '') AS name, status, retry_after
  FROM denial_log LEFT JOIN rule_names USING (rule) WHERE shadow = 0 ORDER BY time, id;

COMMIT;
