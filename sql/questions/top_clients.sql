-- Who asks most, and how much of it was refused? The latest day, or
--
--   sqlite3 -box analytics.db ".parameter set @day ""'2026-11-20'""" ".read sql/questions/top_clients.sql"
--
-- A client may have made up to error_bound requests more, and all of these may have been denied. The row of all others has
-- no error_bound.
SELECT src, requests, round(100.0 * requests / sum(requests) OVER (), 1) AS percent, denied, error_bound
FROM daily_clients
WHERE day = coalesce(@day, (SELECT max(day) FROM days))
ORDER BY error_bound IS NULL, requests DESC
LIMIT 20;
