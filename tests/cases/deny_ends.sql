INSERT INTO rules(priority, requests, period) VALUES (10, 2, 60);
INSERT INTO rules(priority, path, action) VALUES (20, '/no', 'deny');
INSERT INTO rules(priority, path, action, status) VALUES (20, '/gone/*', 'deny', 410);
INSERT INTO rules(priority, requests, period) VALUES (30, 1, 600);
