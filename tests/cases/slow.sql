INSERT INTO rules(priority, requests, period, over) VALUES (1, 2, 60, 'slow');
INSERT INTO rules(priority, requests, period, over) VALUES (2, 3, 60, 'slow');
INSERT INTO rules(priority, requests, period) VALUES (3, 5, 60);
INSERT INTO rules(priority, path, action) VALUES (4, '/no', 'deny');
