INSERT INTO rules(priority, match, per, requests, period, policy) VALUES (50, '{"api_key":"K123"}', 'api_key', 3, 60, 'keys');
INSERT INTO rules(per, requests, period, policy) VALUES ('api_key', 1, 60, 'keys');
INSERT INTO rules(per, requests, period, policy) VALUES ('api_key', 2, 60, 'other');
INSERT INTO rules(priority, match, action, policy) VALUES (10, '{"api_key":"BAD"}', 'deny', 'keys');
INSERT INTO rules(priority, match, action, policy) VALUES (10, '{"api_key":"FREE"}', 'allow', 'keys');
