INSERT INTO rules(id, host, action) VALUES (1, 'api.example.com', 'deny');
INSERT INTO rules(id, host, action) VALUES (2, '*.internal', 'deny');
INSERT INTO rules(id, host, action) VALUES (3, 'w?b[0-9].example', 'deny');
INSERT INTO rules(id, host, action) VALUES (4, '~^\[2001:db8:', 'deny');
INSERT INTO rules(id, host, action) VALUES (5, '@v6', 'deny');
INSERT INTO lists(list, entry) VALUES ('v6', '[::1]'), ('v6', 'localhost');
INSERT INTO rules(id, host, match, action) VALUES (6, '!*', '{"t":"none"}', 'deny');
INSERT INTO rules(id, host, match, action) VALUES (7, '!*.example.com', '{"t":"foreign"}', 'deny');
