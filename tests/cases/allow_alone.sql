INSERT INTO rules(priority, path, action) VALUES (1, '/free', 'allow');
INSERT INTO rules(requests, period) VALUES (1, 60);
