-- An exception that matches an ambiguous path only as normalised applies as a limit but leaves the slot open, so that
-- the general rule applies as well.
INSERT INTO rules(id, priority, path, requests, period, policy) VALUES (1, 10, '/cheap/*', 5, 60, 'p');
INSERT INTO rules(id, priority, requests, period, policy) VALUES (2, 20, 2, 60, 'p');
