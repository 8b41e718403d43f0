-- Addresses and networks that are refused, from a file that somebody else keeps, and paths that only scanners ask for.
--
--   sqlite3 rules.db < rules/blocklist.sql
--
-- To take over lists that others publish, whatever their form:
--
--   spoa-rules import rules.db blocked drop.txt firehol_level1.netset
--
-- To take over a file with an address or a network a line (IPv4 and IPv6; blank lines and those with # are left out)
-- without it, in `sqlite3 rules.db`:
--
--   DELETE FROM lists WHERE list = 'imported';
--   CREATE TEMP TABLE lines(entry);
--   .import blocked.txt lines
--   INSERT INTO list_import SELECT entry FROM lines; DROP TABLE lines;
--   BEGIN; DELETE FROM lists WHERE list = 'blocked' AND EXISTS (SELECT 1 FROM lists WHERE list = 'imported');
--   UPDATE lists SET list = 'blocked' WHERE list = 'imported'; COMMIT;
--
-- The agent sees the old list or the new one, never a part. A list may have a million entries. If the file holds something
-- else than addresses, the database refuses it and the old list stays. If the file is empty, it stays, too.
--
-- Single entries come and go by INSERT and DELETE:
--
--   INSERT INTO lists VALUES ('blocked', '192.0.2.0/24');
--   DELETE FROM lists WHERE list = 'blocked' AND entry = '192.0.2.0/24';
--
-- To try it while `make run` runs:
--
--   sqlite3 var/rules.db < rules/blocklist.sql
--   sqlite3 var/rules.db "INSERT INTO lists VALUES ('blocked', '127.0.0.2')"
--   curl -i --interface 127.0.0.2 localhost:8080/        403
--   curl -i localhost:8080/wp-login.php                  404, without asking the origin
--   build/spoa-rules explain --rules var/rules.db src=203.0.113.77
--
-- The last one also answers "is this address blocked?".

BEGIN;

-- Addresses for documentation, in place of yours.
INSERT INTO lists VALUES
  ('blocked', '198.51.100.7'),
  ('blocked', '203.0.113.0/24'),
  ('blocked', '2001:db8:bad::/48');

-- Before everything else: what is refused here costs no other rule anything.
INSERT INTO rules(name, priority, src, action) VALUES
  ('blocked addresses', 1, '@blocked', 'deny');

-- A list of texts: entries are taken literally, and so in the form that paths have when rules see them.
INSERT INTO lists VALUES
  ('probes', '/.env'),
  ('probes', '/.git/config'),
  ('probes', '/wp-login.php'),
  ('probes', '/xmlrpc.php');
INSERT INTO rules(name, priority, path, action, status) VALUES
  ('probes of scanners', 2, '@probes', 'deny', 404);

COMMIT;
