-- Who was refused, by which rule, and how often? From the latest denials: those of the latest day, or
--
--   sqlite3 -box analytics.db ".parameter set @day ""'2026-11-20'""" ".read sql/questions/who_was_refused.sql"
--
-- Denials that came too fast to be kept one by one are not in it: days.denials_left_out says how many.
SELECT src, rule, name, status, count(*) AS times, count(DISTINCT path) AS paths,
  path AS latest_path,  -- SQLite takes it from the row that has the max()
  max(time) AS latest
FROM denials
WHERE time >= coalesce(@day, (SELECT max(day) FROM days))
  AND time < date(coalesce(@day, (SELECT max(day) FROM days)), '+1 day')
GROUP BY src, rule, status
ORDER BY times DESC, latest DESC
LIMIT 50;
