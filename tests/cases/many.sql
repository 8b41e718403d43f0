-- There is room for 64 rules that apply to one request; shadow rules make way for live ones.
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 64)
  INSERT INTO rules(id, match, requests, period) SELECT i, '{"live":"1"}', 1000, 60 FROM n;
INSERT INTO rules(id, match, requests, period) VALUES (65, '{"one_more":"1"}', 1000, 60);
WITH RECURSIVE n(i) AS (SELECT 101 UNION ALL SELECT i + 1 FROM n WHERE i < 170)
  INSERT INTO rules(id, priority, match, requests, period, shadow) SELECT i, 50, '{"shadow":"1"}', 1000, 60, 1 FROM n;
INSERT INTO rules(id, match, action) VALUES (200, '{"no":"1"}', 'deny');
INSERT INTO rules(id, match, requests, period) VALUES (201, '{"few":"1"}', 1, 60);
