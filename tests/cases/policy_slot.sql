-- What does not apply for want of an attribute takes no slot, nor does a shadow rule.
INSERT INTO rules(priority, per, requests, period, policy) VALUES (1, 'api_key', 5, 60, 'p');
INSERT INTO rules(priority, requests, period, policy, shadow) VALUES (2, 1, 60, 'p', 1);
INSERT INTO rules(priority, per, requests, period, policy) VALUES (3, 'src', 1, 60, 'p');
INSERT INTO rules(priority, requests, period, policy, shadow) VALUES (4, 1, 60, 'p', 1);
INSERT INTO rules(priority, requests, period, policy) VALUES (5, 1, 60, 'P');
