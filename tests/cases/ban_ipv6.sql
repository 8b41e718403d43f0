INSERT INTO rules(per, requests, period, ban) VALUES ('src', 1, 10, 60);
