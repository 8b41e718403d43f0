INSERT INTO rules(id, priority, requests, period) VALUES (1, 1, 10, 60);
INSERT INTO rules(id, priority, match, requests, period) VALUES (2, 2, '{"a":"1"}', 5, 60);
INSERT INTO rules(id, priority, match, requests, period) VALUES (3, 3, '{"b":"1"}', 5, 600);
INSERT INTO rules(id, priority, match, requests, period) VALUES (4, 4, '{"c":"1"}', 5, 600);
INSERT INTO rules(id, priority, match, requests, period, shadow) VALUES (5, 5, '{"b":"1"}', 1, 600, 1);
