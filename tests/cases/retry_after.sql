INSERT INTO rules(priority, requests, period, policy) VALUES (1, 1, 10, 'a');
INSERT INTO rules(priority, requests, period, over) VALUES (2, 1, 1000, 'slow');
INSERT INTO rules(priority, requests, period) VALUES (3, 1, 100);
INSERT INTO rules(priority, requests, period) VALUES (4, 2, 10000);
INSERT INTO rules(priority, requests, period, shadow) VALUES (5, 1, 5000, 1);
