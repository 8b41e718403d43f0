-- State belongs to (rule id, period, algorithm, per) and survives every other change.
INSERT INTO rules(per, requests, period) VALUES ('src', 2, 60);
