INSERT INTO rules(per, requests, period, algorithm, burst) VALUES ('src', 60, 60, 'token', 5);
INSERT INTO rules(per, requests, period, algorithm) VALUES ('api_key', 2, 60, 'token');
INSERT INTO rules(per, requests, period, algorithm, burst) VALUES ('zone', 1, 10, 'token', 100);
