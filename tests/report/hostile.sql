-- 2026-11-21: what clients and operators may call things. Each name is a client, a path, a rule and a denial.
CREATE TEMP TABLE names (i INTEGER PRIMARY KEY, name TEXT);
INSERT INTO names (name) VALUES
  -- The page lists the first twenty.
  ('other'), ('<script>window.hacked=1</script>'), ('</bdi></td></table></svg><img src=x onerror="window.hacked=1">'),
  ('" onmouseover="window.hacked=1" x="'), (''' onmouseover=''window.hacked=1'), ('&lt;b&gt; &amp; &#60;i&#62;'), ('<!--'),
  ('</title></style><style>*{display:none}</style>'), (CAST(x'61FF62' AS TEXT)), (CAST(x'EDA080' AS TEXT)),
  ('a' || char(0x1B) || '[2Jb'), ('a' || char(0x85) || 'b'), ('a' || char(0x202E) || 'gnp.exe'), ('a' || char(13, 10) || 'b'),
  ('/' || replace(hex(zeroblob(1000)), '0', 'w')), ('/' || replace(hex(zeroblob(400)), '0', 'x,"')), ('é ß 日本 🦊'),
  ('say "hi"'), ('=HYPERLINK("http://127.0.0.1:9/","x")'), ('plain'),
  ('a,b'), ('"'), ('""'), (','), (''), (' '), ('behind '), (''''), ('''=1'), ('=1+1'), ('+1'), ('-1'), ('@SUM(1)'),
  (char(9) || '=1'), (char(13) || '=1'), (char(10) || '=1'), (' =1'), ('＝1'), ('＋1'), ('－1'), ('＠1'),
  ('a' || char(10) || 'b'), ('a' || char(13) || 'b'), ('-->'), (']]>'), ('javascript:window.hacked=1'), ('%0d%0a'), ('\x41'),
  ('{{7*7}}${7*7}'), (CAST(x'C3' AS TEXT)), (CAST(x'C0AF' AS TEXT)), (CAST(x'F0908D' AS TEXT)), (CAST(x'E28022' AS TEXT)),
  (CAST(x'FF3D31' AS TEXT)), (CAST(x'F4908080' AS TEXT));

INSERT INTO rule_names SELECT i + 100, name FROM names;
INSERT INTO day_clients SELECT '2026-11-21', 0, name, 1000 - i, 10, i FROM names;
INSERT INTO day_clients VALUES ('2026-11-21', 1, '', 77, 7, 60);
INSERT INTO day_paths SELECT '2026-11-21', 0, name, 2000 - i, 10, 3, i * 1000, i FROM names;
INSERT INTO day_paths SELECT '2026-11-21', 1, '', (SELECT sum(requests) FROM day_clients WHERE day = '2026-11-21') + 100000 - sum(requests), 7, 0, 0, 60
  FROM day_paths WHERE day = '2026-11-21';
UPDATE day_clients SET requests = requests + 100000 WHERE day = '2026-11-21' AND rest = 1;
INSERT INTO day_rules SELECT '2026-11-21', i + 100, 100 - i, 0, 0, 10, 0 FROM names;
INSERT INTO day_rules VALUES ('2026-11-21', 109, 0, 0, 0, 7, 0) ON CONFLICT (day, rule) DO UPDATE SET denied = denied + excluded.denied;
INSERT INTO day_rules SELECT '2026-11-21', 0, sum(requests) - 10 * (SELECT count(*) FROM names) - 7,
    sum(requests) - 10 * (SELECT count(*) FROM names) - 7, 0, 0, 0 FROM day_clients WHERE day = '2026-11-21';
INSERT INTO days (day, allowed, denied, clients)
  SELECT day, sum(allowed), sum(denied), 1000 FROM day_rules WHERE day = '2026-11-21' GROUP BY day;
INSERT INTO hours (day, hour, allowed, denied, clients) SELECT day, 23, allowed, denied, clients FROM days WHERE day = '2026-11-21';
INSERT INTO hour_rules SELECT day, 23, 0, 0, allowed, 0, denied, 0 FROM days WHERE day = '2026-11-21';
INSERT INTO hour_clients SELECT day, 23, 1, '', allowed + denied, denied, 0 FROM days WHERE day = '2026-11-21';
INSERT INTO hour_paths SELECT day, 23, 1, '', allowed + denied, denied, 0, 0, 0 FROM days WHERE day = '2026-11-21';
INSERT INTO minutes SELECT day, 1439, allowed + denied, denied FROM days WHERE day = '2026-11-21';
INSERT INTO denial_log (time, src, method, host, path, rule, status, retry_after)
  SELECT strftime('2026-11-21T23:%M:%fZ', 300 - i, 'unixepoch'), name, name, iif(i % 2, name, NULL), name, i + 100, 403, NULL FROM names;
INSERT INTO denial_log (time, rule, status) VALUES ('2026-11-21T00:00:00.000Z', 0, 503), ('2026-11-21T23:59:59.999Z', 0, 503),
  ('2026-11-20T23:59:59.999Z', 0, 503), ('2026-11-22T00:00:00.000Z', 0, 503);
