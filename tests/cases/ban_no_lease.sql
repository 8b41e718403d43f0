-- HAProxy caches bans of addresses only.
INSERT INTO rules(per, requests, period, ban) VALUES ('src,path', 1, 10, 100);
INSERT INTO rules(per, requests, period, ban) VALUES ('api_key', 1, 10, 200);
INSERT INTO rules(path, requests, period, ban) VALUES ('/one', 1, 10, 300);
