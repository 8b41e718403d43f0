INSERT INTO rules(action, valid_from, valid_until) VALUES ('deny', '2026-11-20T09:00:10Z', '2026-11-20T09:00:20Z');
INSERT INTO rules(requests, period, valid_from) VALUES (9, 60, '2026-11-20T09:00:30Z');
INSERT INTO rules(path, action, valid_until) VALUES ('/old', 'deny', '2026-11-20T09:00:05Z');
