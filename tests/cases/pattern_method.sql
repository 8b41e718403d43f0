INSERT INTO rules(id, method, action) VALUES (1, 'POST', 'deny');
INSERT INTO rules(id, method, action) VALUES (2, 'PUT,DELETE,PATCH', 'deny');
INSERT INTO rules(id, method, action) VALUES (3, 'M*,?RACE,[XY]Z', 'deny');
INSERT INTO rules(id, method, match, action) VALUES (4, '!GET,HEAD', '{"t":"not"}', 'deny');
INSERT INTO rules(id, method, match, action) VALUES (5, '*', '{"t":"there"}', 'deny');
INSERT INTO rules(id, method, match, action) VALUES (6, '!*', '{"t":"none"}', 'deny');
INSERT INTO rules(id, method, match, action) VALUES (7, '~^(?i:report)$', '{"t":"regex"}', 'deny');
