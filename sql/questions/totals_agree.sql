-- Does everything add up? Prints nothing when it does: each breakdown sums to the total of its hour and day, and what a
-- day's hours hold, as long as all of them are kept, to the day.
WITH
hour_rules_now AS (
  SELECT * FROM hour_rules UNION ALL SELECT day, hour, running_rules.* FROM running, running_rules),
sums (what, period, total, parts) AS (
  SELECT 'hour_rules', day || ' ' || hour, allowed || ' ' || slowed || ' ' || denied || ' ' || shadow_denied,
    (SELECT ifnull(sum(allowed), 0) || ' ' || ifnull(sum(slowed), 0) || ' ' ||
            ifnull(sum(denied), 0) || ' ' || ifnull(sum(shadow_denied), 0)
     FROM hour_rules_now AS r WHERE r.day = h.day AND r.hour = h.hour)
  FROM hours AS h
  UNION ALL
  SELECT 'day_rules', day, allowed || ' ' || slowed || ' ' || denied || ' ' || shadow_denied,
    (SELECT ifnull(sum(allowed), 0) || ' ' || ifnull(sum(slowed), 0) || ' ' ||
            ifnull(sum(denied), 0) || ' ' || ifnull(sum(shadow_denied), 0)
     FROM daily_rules AS r WHERE r.day = d.day)
  FROM days AS d
  UNION ALL
  SELECT 'hour_clients', day || ' ' || hour, (allowed + slowed + denied) || ' ' || denied,
    (SELECT ifnull(sum(requests), 0) || ' ' || ifnull(sum(denied), 0)
     FROM hour_clients AS c WHERE c.day = h.day AND c.hour = h.hour)
  FROM hours AS h
  UNION ALL
  SELECT 'day_clients', day, (allowed + slowed + denied) || ' ' || denied,
    (SELECT ifnull(sum(requests), 0) || ' ' || ifnull(sum(denied), 0) FROM day_clients AS c WHERE c.day = d.day)
  FROM days AS d
  UNION ALL
  SELECT 'hour_paths', day || ' ' || hour, (allowed + slowed + denied) || ' ' || denied,
    (SELECT ifnull(sum(requests), 0) || ' ' || ifnull(sum(denied), 0)
     FROM hour_paths AS p WHERE p.day = h.day AND p.hour = h.hour)
  FROM hours AS h
  UNION ALL
  SELECT 'day_paths', day, (allowed + slowed + denied) || ' ' || denied,
    (SELECT ifnull(sum(requests), 0) || ' ' || ifnull(sum(denied), 0) FROM day_paths AS p WHERE p.day = d.day)
  FROM days AS d
  UNION ALL
  SELECT 'minutes', day || ' ' || hour, (allowed + slowed + denied) || ' ' || denied,
    (SELECT ifnull(sum(requests), 0) || ' ' || ifnull(sum(denied), 0) FROM minutes AS m
     WHERE m.day = h.day AND m.minute BETWEEN 60 * h.hour AND 60 * h.hour + 59)
  FROM hours AS h
  UNION ALL
  SELECT 'hours', day, requests || ' ' || denied || ' ' || shadow_denied || ' ' || ifnull(responses, 0),
    (SELECT ifnull(sum(requests), 0) || ' ' || ifnull(sum(denied), 0) || ' ' ||
            ifnull(sum(shadow_denied), 0) || ' ' || ifnull(sum(responses), 0)
     FROM hourly_summary AS h WHERE h.day = d.day)
  FROM daily_summary AS d
  WHERE day > (SELECT min(day) FROM hours)  -- of the oldest day some hours may be gone
)
SELECT what, period, total, parts FROM sums WHERE total <> parts;
