-- Guessing passwords: few attempts for each client, then a ban, and a slow lane for when many clients guess together.
--
--   sqlite3 rules.db < rules/login.sql
--
-- To try it while `make run` runs:
--
--   sqlite3 var/rules.db < rules/login.sql
--   for i in 1 2 3 4 5 6; do curl -s -o /dev/null -w '%{http_code}\n' -X POST localhost:8080/login; done
--   curl -i -X POST localhost:8080/login       429, Retry-After: almost 600
--   curl -i --interface 127.0.0.2 -X POST localhost:8080/login        another client: 200
--
-- The ban is the agent's, by rule and client, and begins with the first refusal. HAProxy borrows it for 10 seconds at a
-- time and meanwhile refuses whatever this client asks for, so that a flood is cheap to hold off; who leaves /login alone
-- has the rest of the site back after that. An IPv6 client is a /64.
--
-- To let somebody in before the ban is over (it holds for everybody else):
--
--   INSERT INTO rules(priority, src, path, action, valid_until) VALUES
--     (1, '192.0.2.7', '/login', 'allow', '2026-11-20T18:00:00Z');
--
-- To count by account as well, which slows those who try one account from many addresses, HAProxy must send it. A form
-- field `user` is read by these lines in the front end, before the agent is asked:
--
--   http-request wait-for-body time 1s if { path_beg /login } METH_POST
--   http-request return status 400 if { path_beg /login } { req.body_param(user),length gt 64 }
--
-- by this one in spoe-rules.conf:
--
--   args account=req.body_param(user),url_dec(1),lower
--
-- and then limited by this rule. Without a ban and with over = 'slow', since a stranger must not be able to lock an
-- account for its owner:
--
--   INSERT INTO rules(name, path, method, per, requests, period, over) VALUES
--     ('attempts on one account', '/login*', 'POST', 'account', 10, 600, 'slow');

BEGIN;

-- Five a minute from one client, then ten minutes of nothing. Looking at the form is no attempt: only POST counts. The *
-- is there because most origins answer /login/ and /login;x as they answer /login.
INSERT INTO rules(name, path, method, per, requests, period, ban) VALUES
  ('attempts to log in', '/login*', 'POST', 'src', 5, 60, 600);

-- Who stays below that all day is not a person either.
INSERT INTO rules(name, path, method, per, requests, period) VALUES
  ('attempts in a day', '/login*', 'POST', 'src', 100, 86400);

-- Mail that we send at a stranger's request.
INSERT INTO rules(name, path, method, per, requests, period, ban) VALUES
  ('forgotten passwords', '/password/*', 'POST', 'src', 3, 3600, 3600);

-- All clients together: one counter. What comes over it is answered a few at a time, so nobody is shut out by others.
INSERT INTO rules(name, priority, path, method, requests, period, over) VALUES
  ('everybody''s attempts', 200, '/login*', 'POST', 300, 60, 'slow');

COMMIT;
