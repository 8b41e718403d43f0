INSERT INTO rules(per, requests, period, algorithm) VALUES ('src', 3, 60, 'fixed');
INSERT INTO rules(match, requests, period, algorithm) VALUES ('{"day":"*"}', 1, 86400, 'fixed');
