-- API keys in tiers: so many requests a minute for each key, more for those who pay more, little for those without one.
--
--   sqlite3 rules.db < rules/api-keys.sql
--
-- The attribute api_key is the header X-API-Key: see spoe-rules.conf. To try it while `make run` runs, which has rules
-- for keys already:
--
--   sqlite3 var/rules.db 'DELETE FROM rules'
--   sqlite3 var/rules.db < rules/api-keys.sql
--   curl -i -H 'X-API-Key: ACME-7' localhost:8080/        RateLimit-Limit: 5000, the exception
--   curl -i -H 'X-API-Key: GOLD-1' localhost:8080/        RateLimit-Limit: 1000, a tier
--   curl -i -H 'X-API-Key: anything' localhost:8080/      RateLimit-Limit: 100, any other key
--   curl -i localhost:8080/                               RateLimit-Limit: 20, no key
--   curl -i -H 'X-API-Key: LEAKED-1' localhost:8080/      401
--
-- To adapt it: a tier is a list of keys and one rule; a customer moves up by a row of `lists`:
--
--   INSERT INTO lists VALUES ('gold', 'NEW-KEY');
--
-- and a single customer gets a rule like that of ACME. Keys that nobody was given count as any other key, and whoever
-- makes up a new one for each request finds a new counter each time: the last rule is what holds them. Where all keys
-- are in lists, refuse the others: put them all into a list 'keys' as well and
--
--   INSERT INTO rules(priority, match, action, status) VALUES (2, '{"api_key":"!@keys"}', 'deny', 401);

BEGIN;

-- Keys that are no longer good.
INSERT INTO lists VALUES ('revoked', 'LEAKED-1'), ('revoked', 'LEAKED-2');
INSERT INTO rules(name, priority, match, action, status) VALUES
  ('revoked keys', 1, '{"api_key":"@revoked"}', 'deny', 401);

-- Of the rules with the policy 'tier' only the first that matches applies, in the order of their priorities: the
-- exception, the tiers, everybody else.
INSERT INTO rules(name, priority, match, per, requests, period, policy) VALUES
  ('ACME, by contract', 10, '{"api_key":"ACME-7"}', 'api_key', 5000, 60, 'tier');

-- A tier with peaks: 200 at once, then 1,000 a minute evenly.
INSERT INTO lists VALUES ('platinum', 'PLATINUM-1'), ('gold', 'GOLD-1'), ('gold', 'GOLD-2');
INSERT INTO rules(name, priority, match, per, requests, period, algorithm, burst, policy) VALUES
  ('platinum', 20, '{"api_key":"@platinum"}', 'api_key', 1000, 60, 'token', 200, 'tier');
INSERT INTO rules(name, priority, match, per, requests, period, policy) VALUES
  ('gold', 30, '{"api_key":"@gold"}', 'api_key', 1000, 60, 'tier');
INSERT INTO rules(name, priority, per, requests, period, policy) VALUES
  ('any other key', 40, 'api_key', 100, 60, 'tier');

-- A daily allowance beside the limits above, whatever the tier: both must have room. `fixed` counts from midnight UTC.
INSERT INTO rules(name, match, per, requests, period, algorithm) VALUES
  ('gold, a day', '{"api_key":"@gold"}', 'api_key', 100000, 86400, 'fixed');

-- Without a key: !?* is what is absent or empty. Counted by address, since there is nothing else to count by.
INSERT INTO rules(name, match, per, requests, period) VALUES
  ('without a key', '{"api_key":"!?*"}', 'src', 20, 60);

-- One address, whatever keys it sends. More than the largest tier, or it would be what holds that tier.
INSERT INTO rules(name, priority, per, requests, period) VALUES
  ('each address', 200, 'src', 6000, 60);

COMMIT;
