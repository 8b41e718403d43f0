-- A shadow limit keeps its counter when it goes live.
INSERT INTO rules(per, requests, period, shadow) VALUES ('src', 2, 60, 1);
