-- What runs into the limits of matching is taken as a match, but for allow.
INSERT INTO rules(id, priority, match, action) VALUES (1, 1, '{"a":"~^(a+)+$"}', 'allow');
INSERT INTO rules(id, priority, match, action) VALUES (2, 2, '{"a":"!~^(a+)+$","e":"1"}', 'allow');
INSERT INTO rules(id, priority, match, requests, period) VALUES (3, 3, '{"b":"~^(a+)+$"}', 1, 60);
INSERT INTO rules(id, priority, match, action) VALUES (4, 4, '{"c":"~^(a+)+$"}', 'deny');
INSERT INTO rules(id, priority, match, action) VALUES (5, 5, '{"c":"!~^(a+)+$","d":"1"}', 'deny');
INSERT INTO rules(id, priority, match, action) VALUES (6, 9, '{"a":"*"}', 'deny');
-- What only may match takes no policy's place: the stricter rule behind it applies as well.
INSERT INTO rules(id, match, requests, period, policy) VALUES (20, '{"q":"~^(a+)+$"}', 1000000, 60, 'p');
INSERT INTO rules(id, match, requests, period, policy) VALUES (21, '{"q":"*"}', 5, 60, 'p');
