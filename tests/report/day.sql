-- Two days as a busy API has them, 2026-11-19 with no log feed and 2026-11-20 with one. What is exact is made first, and
-- what must agree with it is summed from it.
INSERT INTO rule_names VALUES (1, 'each client'), (2, 'search'), (3, 'crawlers'), (4, 'login'), (7, 'try: 20 a minute');

-- As sent: `n` requests by the minute of the day, more in the afternoon, with a burst at 15:12.
CREATE TEMP TABLE sent AS
WITH RECURSIVE minutes_of (minute) AS (SELECT 0 UNION ALL SELECT minute + 1 FROM minutes_of WHERE minute < 1439),
  days_of (day) AS (VALUES ('2026-11-19'), ('2026-11-20')),
  curve (day, minute, n) AS (
    SELECT day, minute, CASE WHEN minute = 912 AND day = '2026-11-20' THEN 4000
      ELSE CAST(40 + 60 * (1 - abs(minute - 900) / 900.0) AS INTEGER) + (minute * 7919 + length(day)) % 13 END
    FROM days_of, minutes_of)
SELECT day, minute / 60 AS hour, minute, n,
  CASE WHEN minute = 912 AND n = 4000 THEN 3800 ELSE n / 20 END AS denied, n / 50 AS slowed
FROM curve;

INSERT INTO minutes SELECT day, minute, n, denied FROM sent;
INSERT INTO hours (day, hour, allowed, slowed, denied, shadow_denied, clients)
  SELECT day, hour, sum(n - denied - slowed), sum(slowed), sum(denied), sum(n / 10), 300 + 10 * hour FROM sent GROUP BY day, hour;
INSERT INTO days (day, allowed, slowed, denied, shadow_denied, clients, denials_left_out)
  SELECT day, sum(n - denied - slowed), sum(slowed), sum(denied), sum(n / 10), 1543, 3120 FROM sent GROUP BY day;

INSERT INTO hour_rules
  SELECT day, hour, 0, sum(n - denied - slowed) / 4, sum(n - denied - slowed) / 4, 0, 0, 0 FROM sent GROUP BY day, hour UNION ALL
  SELECT day, hour, 1, sum(n), sum(n - denied - slowed) - sum(n - denied - slowed) / 4, 0, sum(denied) / 2, 0 FROM sent GROUP BY day, hour UNION ALL
  SELECT day, hour, 2, sum(slowed) * 3, 0, sum(slowed), 0, 0 FROM sent GROUP BY day, hour UNION ALL
  SELECT day, hour, 3, sum(denied) - sum(denied) / 2, 0, 0, sum(denied) - sum(denied) / 2, 0 FROM sent GROUP BY day, hour UNION ALL
  SELECT day, hour, 7, sum(n), 0, 0, 0, sum(n / 10) FROM sent GROUP BY day, hour;
-- The last hour is still running, and has a rule of its own.
UPDATE hour_rules SET rule = 8 WHERE hour = 23 AND rule = 2;
INSERT INTO running SELECT max(day), 23 FROM hour_rules;
INSERT INTO running_rules
  SELECT rule, matched, allowed, slowed, denied, shadow_denied FROM hour_rules NATURAL JOIN running;
DELETE FROM hour_rules WHERE (day, hour) IN (SELECT day, hour FROM running);
INSERT INTO day_rules
  SELECT day, rule, sum(matched), sum(allowed), sum(slowed), sum(denied), sum(shadow_denied) FROM hour_rules GROUP BY day, rule;

-- 40 clients with a share each, the rest in one row.
WITH RECURSIVE shares (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM shares WHERE i < 40)
INSERT INTO day_clients
  SELECT day, 0, iif(i % 5, '198.51.100.' || i, '2001:db8:' || i || '::/64'), (allowed + slowed + denied) / (4 * i + 6),
    denied / (4 * i + 6) / 2, i - 1 FROM days, shares;
INSERT INTO day_clients
  SELECT day, 1, '', allowed + slowed + denied - (SELECT sum(requests) FROM day_clients AS c WHERE c.day = d.day),
    denied - (SELECT sum(denied) FROM day_clients AS c WHERE c.day = d.day), 40 FROM days AS d;
INSERT INTO hour_clients SELECT day, hour, 1, '', allowed + slowed + denied, denied, 1000 FROM hours;

WITH RECURSIVE shares (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM shares WHERE i < 25)
INSERT INTO day_paths
  SELECT day, 0, iif(i % 3, '/items/' || i, '/categories/books/' || i || '/reviews'), (allowed + slowed + denied) / (4 * i + 5),
    denied / (4 * i + 5) / 2, iif(day = '2026-11-20', 1000, 0), iif(day = '2026-11-20', 1000 * (20000 + 1000 * i + 7), 0), 0
  FROM days, shares;
INSERT INTO day_paths
  SELECT day, 1, '', allowed + slowed + denied - (SELECT sum(requests) FROM day_paths AS p WHERE p.day = d.day),
    denied - (SELECT sum(denied) FROM day_paths AS p WHERE p.day = d.day), 0, 0, 0 FROM days AS d;
INSERT INTO hour_paths SELECT day, hour, 1, '', allowed + slowed + denied, denied, 0, 0, 1000 FROM hours;

INSERT INTO hour_responses
  SELECT day, hour, 0, allowed - allowed / 20 - allowed / 100, allowed / 100, allowed / 20 + denied + 100, slowed, 5,
    allowed / 20, allowed * 5120, 80, 20, 5, 3, slowed, allowed, allowed * (30000 + 900 * hour),
    12 + hour, 60 + 6 * ((hour * 5) % 11), 140 + 15 * ((hour * 7) % 9), allowed, allowed * 21000, 48,
    2, 1, allowed / 20, allowed / 20, slowed / 2, denied + 100, slowed / 4
  FROM hours WHERE day = '2026-11-20';
INSERT INTO day_responses
  SELECT day, sum(status_1xx), sum(status_2xx), sum(status_3xx), sum(status_4xx), sum(status_5xx), sum(status_other), sum(not_found),
    sum(bytes), sum(coarse_denied), sum(ban_denied), sum(undecided), sum(aborted), sum(origin_errors), sum(duration_count),
    sum(duration_us), 24, 96, 220, sum(origin_count), sum(origin_us), 49,
    sum(tunnels), sum(streams), sum(origin_4xx), sum(origin_404), sum(origin_5xx), sum(refused_4xx), sum(refused_5xx)
  FROM hour_responses GROUP BY day;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
INSERT INTO denial_log (time, shadow, src, method, host, path, rule, status, retry_after)
  SELECT strftime('2026-11-20T15:%M:%fZ', i * 3.21 + 600, 'unixepoch'), i % 4 = 0, '198.51.100.' || (i % 7), 'GET', 'api.example.com',
    '/items/' || i, iif(i % 4 = 0, 7, 1 + 2 * (i % 2)), 429, 1 + i % 60 FROM n;
