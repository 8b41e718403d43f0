INSERT INTO rules(requests, period) VALUES (3, 100);
