-- IPv6 beside IPv4: what one client is, networks, and rules that hold for both.
--
--   sqlite3 rules.db < rules/ipv6.sql
--
-- A household or a server has a whole /64 and may take another address of it for each request. So an IPv6 client counts
-- by its /64 wherever `per` names src; `match`ing is by the full address. Another size is an option of the agent,
-- --ipv6-prefix 56, and RULES_IPV6_PREFIX of HAProxy: the same for both.
--
--   spoa-rules explain --rules rules.db src=2001:db8:1:2:3:4:5:6
--
-- says "counted as 2001:db8:1:2::/64". An IPv4 address that arrives as ::ffff:192.0.2.7 is 192.0.2.7, in rules as well:
-- the database refuses the other spelling.
--
-- To try it with real requests:
--
--   RULES_BIND='[::]:8080 v4v6' make run
--   sqlite3 var/rules.db 'DELETE FROM rules'
--   sqlite3 var/rules.db < rules/ipv6.sql
--   curl -i 'http://[::1]:8080/'           RateLimit-Limit: 300
--   curl -i http://127.0.0.1:8080/         RateLimit-Limit: 900

BEGIN;

-- All of IPv6, and all of IPv4: no request is of both. Behind one IPv4 address there may be many people.
INSERT INTO rules(name, src, per, requests, period) VALUES
  ('each IPv6 client', '::/0', 'src', 300, 60),
  ('each IPv4 client', '0.0.0.0/0', 'src', 900, 60);

-- Who has a /48 has 65,536 times a /64. Networks that misuse it get a counter for all of it: `per` left out.
INSERT INTO rules(name, src, requests, period, status) VALUES
  ('a network as one client', '2001:db8:bad::/48', 300, 60, 403);

-- A list holds addresses and networks of both kinds, and so do rules: offices in one, whatever their line speaks.
INSERT INTO lists VALUES
  ('offices', '192.0.2.0/24'),
  ('offices', '198.51.100.17'),
  ('offices', '2001:db8:0ff1::/48');
INSERT INTO rules(name, priority, src, path, action) VALUES
  ('administration from the offices only', 10, '!@offices', '/admin*', 'deny');

-- One machine: an address without a prefix length is that address alone, not its /64. What `allow` lets through is
-- neither limited nor counted by the rules behind it.
INSERT INTO rules(name, priority, src, path, action) VALUES
  ('monitoring', 20, '2001:db8::53', '/health', 'allow');

COMMIT;
