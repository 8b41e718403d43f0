INSERT INTO rules(id, path, action) VALUES (1, '/1', 'deny');
INSERT INTO rules(id, path, action, status) VALUES (2, '/2', 'deny', 404);
INSERT INTO rules(id, path, requests, period, per) VALUES (3, '/3', 1, 60, 'src');
INSERT INTO rules(id, path, requests, period, per, status) VALUES (4, '/4', 1, 60, 'src', 503);
INSERT INTO rules(id, path, requests, period, per, status) VALUES (5, '/3', 1, 60, 'src', 401);
