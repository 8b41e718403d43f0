-- The classic three: a limit for an address, for a part of the site, and for an address in a part of the site. Each has
-- one counter of its own, and a request must find room in all that match. Without `per` all clients share the counter.
--
--   sqlite3 rules.db < rules/classic.sql

BEGIN;

-- this address: 1,000 requests a minute
INSERT INTO rules(name, src, requests, period) VALUES
  ('address', '152.152.152.152', 1000, 60);

-- everybody together: 10,000 a minute below /categories/
INSERT INTO rules(name, path, requests, period) VALUES
  ('path', '/categories/*', 10000, 60);

-- this address: 10 a minute below /items/
INSERT INTO rules(name, src, path, requests, period) VALUES
  ('address and path', '152.152.152.152', '/items/*', 10, 60);

COMMIT;
