INSERT INTO rules(src, requests, period)       VALUES ('152.152.152.152', 1000, 60);
INSERT INTO rules(path, requests, period)      VALUES ('/categories/*', 10000, 60);
INSERT INTO rules(src, path, requests, period) VALUES ('152.152.152.152', '/items/*', 10, 60);
