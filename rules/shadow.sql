-- A stricter limit, rolled out with care: first in shadow, where it counts and refuses nobody, then slowing, then live.
--
--   sqlite3 rules.db < rules/shadow.sql
--
-- 1. In shadow: it counts, and refuses nobody. What it would do with one request:
--
--      spoa-rules explain --rules rules.db src=192.0.2.1 path=/
--
--    Let it see a whole week. If it would have refused too many, make it wider; it keeps what it has counted:
--
--      UPDATE rules SET requests = 180 WHERE name = 'each client, stricter';
--
-- 2. Slowing: what comes over it waits for its turn, but is answered.
--
--      UPDATE rules SET shadow = 0, over = 'slow' WHERE name = 'each client, stricter';
--
-- 3. Live. It has counted all along, so it holds at once:
--
--      UPDATE rules SET shadow = 0, over = 'deny' WHERE name = 'each client, stricter';
--      UPDATE rules SET enabled = 0 WHERE name = 'each client';
--
--    And back, should the telephone ring: UPDATE rules SET shadow = 1 WHERE name = 'each client, stricter';
--
-- To try it while `make run` runs:
--
--   sqlite3 var/rules.db 'DELETE FROM rules'
--   sqlite3 var/rules.db < rules/shadow.sql
--   for i in $(seq 130); do curl -s -o /dev/null -w '%{http_code}\n' localhost:8080/; done | sort | uniq -c
--
-- answers 200 each time, and after step 3 mostly 429.

BEGIN;

-- What has been in force until now.
INSERT INTO rules(name, per, requests, period) VALUES
  ('each client', 'src', 600, 60);

-- What shall come in its place.
INSERT INTO rules(name, per, requests, period, shadow) VALUES
  ('each client, stricter', 'src', 120, 60, 1);

-- In a policy a rule on trial stands before those that it may replace (here by its priority): behind them it would not
-- apply, as it would not if it were live. It takes no slot, so the others go on as before.
INSERT INTO rules(name, priority, per, requests, period, policy) VALUES
  ('each API key', 60, 'api_key', 1000, 60, 'keys');
INSERT INTO rules(name, priority, per, requests, period, algorithm, burst, policy, shadow) VALUES
  ('each API key, evenly', 50, 'api_key', 1000, 60, 'token', 50, 'keys', 1);

-- Any rule can be on trial: does anybody still use this part of the site?
INSERT INTO rules(name, priority, path, action, status, shadow) VALUES
  ('the old interface ends', 10, '/v1/*', 'deny', 410, 1);

COMMIT;
