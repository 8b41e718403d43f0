INSERT INTO rules(id, per, requests, period) VALUES (1, 'src', 1, 60);
INSERT INTO rules(id, per, requests, period) VALUES (2, 'src,path', 1, 60);
INSERT INTO rules(id, per, requests, period) VALUES (3, 'api_key', 1, 60);
INSERT INTO rules(id, per, requests, period) VALUES (4, 'a,b', 1, 60);
INSERT INTO rules(id, per, requests, period) VALUES (5, 'query', 1, 60);
