-- Rules by the clock: other limits in office hours than at night, a part of the site that is closed then, and limits for
-- the days of a campaign.
--
--   sqlite3 rules.db < rules/business-hours.sql
--
-- Two kinds of time. The attribute `time` is the day of the week and HAProxy's local time, '1 09:30' on a Monday: for
-- what comes again each week. spoe-rules.conf says how it is made; write utime there for UTC. `valid_from` and
-- `valid_until` are instants in UTC: for what happens once.
--
-- What holds on a Tuesday morning, and what on a Sunday? No need to wait for it:
--
--   spoa-rules explain --rules rules.db src=192.0.2.1 path=/backoffice/ time='2 09:30'
--   spoa-rules explain --rules rules.db src=192.0.2.1 path=/backoffice/ time='7 09:30'
--
-- To try it while `make run` runs:
--
--   sqlite3 var/rules.db 'DELETE FROM rules'
--   sqlite3 var/rules.db < rules/business-hours.sql
--   curl -i localhost:8080/            RateLimit-Limit: 300 in office hours, else 1200
--   curl -i localhost:8080/backoffice/ 403, but in office hours
--
-- To adapt it: a span of time is a GLOB for each run of digits, as for the exports below, or one regular expression,
-- which costs each request some tenths of a microsecond. One for 08:00 to 17:29 is
-- '~^[1-5] (0[89]|1[0-6]):|^[1-5] 17:[0-2]'.

BEGIN;

-- Monday to Friday, 08:00 to 17:59. Of the two rules of the policy only the first that matches applies.
INSERT INTO rules(name, priority, match, per, requests, period, policy) VALUES
  ('each client, office hours', 50, '{"time":"~^[1-5] (0[89]|1[0-7]):"}', 'src', 300, 60, 'hours');
INSERT INTO rules(name, priority, per, requests, period, policy) VALUES
  ('each client, else', 60, 'src', 1200, 60, 'hours');

-- Closed outside of office hours, /backoffice itself as well: '/backoffice/*' would leave it open. A negation also holds where there is no `time`: what HAProxy does not send lets
-- nobody in.
INSERT INTO rules(name, priority, path, match, action) VALUES
  ('the back office is closed', 10, '/backoffice*', '{"time":"!~^[1-5] (0[89]|1[0-7]):"}', 'deny');

-- Exports have the night, 22:00 to 05:59, for themselves; by day they are few. Two GLOBs of the same policy, then what
-- holds else.
INSERT INTO rules(name, priority, path, match, requests, period, policy) VALUES
  ('exports, late', 50, '/exports/*', '{"time":"? 2[23]:*"}', 600, 60, 'exports'),
  ('exports, early', 51, '/exports/*', '{"time":"? 0[0-5]:*"}', 600, 60, 'exports');
INSERT INTO rules(name, priority, path, requests, period, over, policy) VALUES
  ('exports, by day', 60, '/exports/*', 10, 60, 'slow', 'exports');

-- A campaign: two days, a week from now. Write the instants as they are, such as '2026-11-27T08:00:00Z'. Once it is over,
-- `spoa-rules check` says so, and the rule may go.
INSERT INTO rules(name, path, per, requests, period, valid_from, valid_until) VALUES
  ('campaign', '/sale/*', 'src', 10, 10,
   strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+7 days'), strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+9 days'));

COMMIT;
