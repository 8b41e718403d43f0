-- The analytics database, schema version 2: how a file of version 1 becomes one.
--
-- The new columns are NULL for hours and days that an older agent counted, wholly or in part. The hour and the day of the
-- upgrade are among them.

BEGIN;

-- tunnels were answered 101 (WebSockets, say); streams are server-sent events and the like. Client and origin keep both open
-- as long as they like, so durations leave them out. origin_4xx, origin_404 and origin_5xx are those of status_4xx, not_found and
-- status_5xx that the origin sent; refused_4xx and refused_5xx those with which HAProxy refused, because of the rules, a ban,
-- a coarse limit or its configuration. What is left of a class HAProxy answered because no origin was up or it failed, or because
-- the client went away.
ALTER TABLE hour_responses ADD COLUMN tunnels INTEGER;
ALTER TABLE hour_responses ADD COLUMN streams INTEGER;
ALTER TABLE hour_responses ADD COLUMN origin_4xx INTEGER;
ALTER TABLE hour_responses ADD COLUMN origin_404 INTEGER;
ALTER TABLE hour_responses ADD COLUMN origin_5xx INTEGER;
ALTER TABLE hour_responses ADD COLUMN refused_4xx INTEGER;
ALTER TABLE hour_responses ADD COLUMN refused_5xx INTEGER;

ALTER TABLE day_responses ADD COLUMN tunnels INTEGER;
ALTER TABLE day_responses ADD COLUMN streams INTEGER;
ALTER TABLE day_responses ADD COLUMN origin_4xx INTEGER;
ALTER TABLE day_responses ADD COLUMN origin_404 INTEGER;
ALTER TABLE day_responses ADD COLUMN origin_5xx INTEGER;
ALTER TABLE day_responses ADD COLUMN refused_4xx INTEGER;
ALTER TABLE day_responses ADD COLUMN refused_5xx INTEGER;

-- The columns of before, then the new ones.

DROP VIEW daily_summary;
DROP VIEW hourly_summary;

CREATE VIEW daily_summary AS
  SELECT day, allowed + slowed + denied AS requests, allowed, slowed, denied, shadow_denied, clients,
    status_1xx + status_2xx + status_3xx + status_4xx + status_5xx + status_other AS responses,
    coarse_denied, ban_denied, undecided,
    status_1xx, status_2xx, status_3xx, status_4xx, status_5xx, status_other, not_found, bytes,
    round(duration_us / 1000.0 / nullif(duration_count, 0), 3) AS duration_avg_ms,
    duration_p50_ms, duration_p95_ms, duration_p99_ms,
    round(origin_us / 1000.0 / nullif(origin_count, 0), 3) AS origin_avg_ms, origin_p95_ms,
    aborted, origin_errors, tunnels, streams, origin_4xx, origin_404, origin_5xx, refused_4xx, refused_5xx
  FROM days LEFT JOIN day_responses USING (day) ORDER BY day;

CREATE VIEW hourly_summary AS
  SELECT day, hour, allowed + slowed + denied AS requests, allowed, slowed, denied, shadow_denied, clients,
    status_1xx + status_2xx + status_3xx + status_4xx + status_5xx + status_other AS responses,
    coarse_denied, ban_denied, undecided,
    status_1xx, status_2xx, status_3xx, status_4xx, status_5xx, status_other, not_found, bytes,
    round(duration_us / 1000.0 / nullif(duration_count, 0), 3) AS duration_avg_ms,
    duration_p50_ms, duration_p95_ms, duration_p99_ms,
    round(origin_us / 1000.0 / nullif(origin_count, 0), 3) AS origin_avg_ms, origin_p95_ms,
    aborted, origin_errors, tunnels, streams, origin_4xx, origin_404, origin_5xx, refused_4xx, refused_5xx
  FROM hours LEFT JOIN hour_responses USING (day, hour) ORDER BY day, hour;

PRAGMA user_version = 2;

COMMIT;
