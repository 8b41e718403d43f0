-- The sample rules: what `make run` puts into var/rules.db, one rule for each thing that rules can do. Each says in its
-- note how to see it at work; the origin behind the sample answers any path with 200.
--
--   sqlite3 rules.db < rules/sample.sql        (after sql/rules.sql)

BEGIN;

-- Lower priorities are evaluated first: what refuses, then exceptions, then limits for everybody.

INSERT INTO rules(name, priority, path, action, note) VALUES
  ('no administration from outside', 10, '/admin*', 'deny',
   'curl -i localhost:8080/admin/users answers 403');

-- Of rules with the same policy only the first that matches applies: the second limit is not for K123.
INSERT INTO rules(name, priority, match, per, requests, period, policy, note) VALUES
  ('our best customer', 50, '{"api_key":"K123"}', 'api_key', 1000, 60, 'keys',
   'curl -i -H "X-API-Key: K123" localhost:8080/ answers RateLimit-Limit: 1000');
INSERT INTO rules(name, per, requests, period, policy, note) VALUES
  ('each API key', 'api_key', 100, 60, 'keys',
   'curl -i -H "X-API-Key: K1" localhost:8080/ answers RateLimit-Limit: 100; without a key this rule does not apply');

-- over = 'slow': what comes over the limit is answered, but waits its turn behind what else came over a limit: HAProxy
-- hands few such requests at a time to the origin.
INSERT INTO rules(name, path, per, requests, period, over, note) VALUES
  ('reports are expensive', '/reports/*', 'src', 3, 60, 'slow',
   'the fourth curl localhost:8080/reports/1 within a minute is verdict=slow in var/haproxy.log; alone it does not wait');

-- Generous enough to be met only by a loop.
INSERT INTO rules(name, priority, per, requests, period, note) VALUES
  ('each client', 200, 'src', 6000, 60, 'an IPv6 client is counted by its /64');

-- shadow = 1: counted as if it were in force, but it refuses nobody. Once live, it knows who has used it up.
INSERT INTO rules(name, priority, per, requests, period, algorithm, burst, shadow, note) VALUES
  ('stricter, on trial', 200, 'src', 60, 60, 'token', 20, 1,
   'UPDATE rules SET shadow = 0 WHERE name LIKE ''stricter%'' puts it in force');

COMMIT;
