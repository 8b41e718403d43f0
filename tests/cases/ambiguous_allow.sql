INSERT INTO rules(id, path, action) VALUES (1, '/static/*', 'allow');
INSERT INTO rules(id, path, action) VALUES (2, '!/private*', 'allow');
INSERT INTO rules(id, action) VALUES (3, 'deny');
