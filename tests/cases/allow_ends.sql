INSERT INTO rules(priority, per, requests, period) VALUES (10, 'src', 5, 60);
INSERT INTO rules(priority, src, action) VALUES (20, '192.0.2.1', 'allow');
INSERT INTO rules(priority, requests, period) VALUES (30, 1, 60);
INSERT INTO rules(priority, path, action) VALUES (40, '/secret', 'deny');
