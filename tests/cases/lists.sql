INSERT INTO lists(list, entry) VALUES ('offices', '192.0.2.0/24'), ('offices', '198.51.100.7'), ('offices', '2001:db8::/32'),
  ('offices', '203.0.113.0/25'), ('offices', '203.0.113.200/31'), ('offices', '2a00::1');
INSERT INTO lists(list, entry) VALUES ('keys', 'K1'), ('keys', 'K2'), ('keys', 'K*'), ('keys', '@x'), ('keys', '~^a'), ('keys', '!n');
INSERT INTO lists(list, entry) VALUES ('paths', '/a'), ('paths', '/b/c'), ('hosts', 'a.example'), ('methods', 'GET'), ('methods', 'PUT');
INSERT INTO rules(id, src, action) VALUES (1, '@offices', 'deny');
INSERT INTO rules(id, match, action) VALUES (2, '{"key":"@keys"}', 'deny');
INSERT INTO rules(id, match, action) VALUES (3, '{"key":"!@keys","t":"not"}', 'deny');
INSERT INTO rules(id, path, action) VALUES (4, '@paths', 'deny');
INSERT INTO rules(id, host, action) VALUES (5, '@hosts', 'deny');
INSERT INTO rules(id, method, action) VALUES (6, '@methods', 'deny');
INSERT INTO rules(id, src, match, action) VALUES (7, '!@offices', '{"t":"away"}', 'deny');
INSERT INTO rules(id, match, action) VALUES (8, '{"addr":"@offices"}', 'deny');
