-- What would the shadow rules have refused? First how much, by rule, in the seven days that end with the latest; then
-- the latest of it one by one. All rules, or one:
--
--   sqlite3 -box analytics.db ".parameter set @rule 7" ".read sql/questions/shadow_rules.sql"
SELECT rule, name, sum(shadow_denied) AS would_refuse, sum(matched) AS of_matched,
  round(100.0 * sum(shadow_denied) / sum(matched), 1) AS percent
FROM daily_rules
WHERE day > date((SELECT max(day) FROM days), '-7 days') AND rule = coalesce(@rule, rule)
GROUP BY rule, name
HAVING would_refuse > 0
ORDER BY would_refuse DESC;

SELECT time, rule, src, method, host, path, status
FROM denial_log
WHERE shadow = 1 AND rule = coalesce(@rule, rule)
ORDER BY time DESC, id DESC
LIMIT 50;
