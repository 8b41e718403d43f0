INSERT INTO rules(priority, path, action, shadow) VALUES (1, '/*', 'allow', 1);
INSERT INTO rules(priority, path, action, shadow) VALUES (2, '/*', 'deny', 1);
INSERT INTO rules(priority, requests, period, shadow, ban) VALUES (3, 1, 60, 1, 100);
INSERT INTO rules(priority, requests, period) VALUES (4, 3, 60);
INSERT INTO rules(priority, per, requests, period, shadow, ban) VALUES (5, 'src', 1, 60, 1, 100);
