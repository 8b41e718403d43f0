INSERT INTO rules(path, requests, period) VALUES ('/a', 10, 60);
INSERT INTO rules(requests, period) VALUES (3, 60);
INSERT INTO rules(per, requests, period) VALUES ('src', 2, 60);
