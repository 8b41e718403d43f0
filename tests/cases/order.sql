-- In order of (priority, id): not of insertion, nor of id alone.
INSERT INTO rules(id, priority, path, action, status) VALUES (1, 100, '/a*', 'deny', 401);
INSERT INTO rules(id, priority, path, action, status) VALUES (7, 50, '/ab*', 'deny', 404);
INSERT INTO rules(id, priority, path, action, status) VALUES (3, 50, '/abc*', 'deny', 410);
INSERT INTO rules(id, priority, path, action, status) VALUES (2, -5, '/abcd*', 'deny', 421);
INSERT INTO rules(id, priority, path, action, status, enabled) VALUES (4, -2147483648, '/*', 'deny', 500, 0);
INSERT INTO rules(id, priority, path, action, status) VALUES (9, 2147483647, '/a', 'deny', 425);
