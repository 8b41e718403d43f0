INSERT INTO rules(per, requests, period, ban) VALUES ('src', 2, 10, 100);
