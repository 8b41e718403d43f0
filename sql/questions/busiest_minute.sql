-- When was it busiest? The ten busiest minutes of the latest day, or
--
--   sqlite3 -box analytics.db ".parameter set @day ""'2026-11-20'""" ".read sql/questions/busiest_minute.sql"
SELECT day, printf('%02d:%02d', minute / 60, minute % 60) AS minute, requests, denied,
  round(requests / 60.0, 1) AS requests_per_second
FROM minutes
WHERE day = coalesce(@day, (SELECT max(day) FROM days))
ORDER BY requests DESC, minutes.minute
LIMIT 10;
