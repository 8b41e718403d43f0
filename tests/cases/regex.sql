INSERT INTO rules(id, path, action) VALUES (1, '~^/api/v[0-9]+/', 'deny');
INSERT INTO rules(id, match, action) VALUES (2, '{"agent":"~(?i)curl|wget"}', 'deny');
INSERT INTO rules(id, match, action) VALUES (3, '{"agent":"!~^Mozilla/","t":"not"}', 'deny');
INSERT INTO rules(id, host, action) VALUES (4, '~(^|\.)evil\.example$', 'deny');
INSERT INTO rules(id, match, action) VALUES (5, '{"utf":"~(*UTF)^.$"}', 'deny');
