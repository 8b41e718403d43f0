INSERT INTO rules(id, path, action) VALUES (1, '/admin/*', 'deny');
INSERT INTO rules(id, path, requests, period) VALUES (2, '/items/*', 2, 60);
