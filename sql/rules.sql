-- The rules database, schema version 1: what `spoa-rules serve` creates where there is none, and what
--
--   sqlite3 rules.db < sql/rules.sql
--
-- makes of an empty file. One row of `rules` is one rule; README says what each column does.
--
-- A bad row is refused at the prompt with a sentence that says what to write. Each CHECK is named with its sentence,
-- since SQLite prints the name. They stand in the order in which an operator wants to hear of them (the first that
-- fails is printed), so a later one may rely on the earlier ones. Three things to know when changing one:
--   - a CHECK that comes out as NULL passes: that lets a NULL column through, and must not let anything else through;
--   - length() and GLOB stop at a NUL character, instr() does not: so each text is first checked to hold none;
--   - "a leading !" is removed with ltrim(column, '!'), which is right because '!!' has been refused before.
-- What needs a loop (a CHECK may hold no subquery) is checked by triggers, see `rules_check`.
-- What needs more than the row (is there such a list, is the regular expression right) is for `spoa-rules check`.
--
-- The file stays in DELETE journal mode: the agent refuses WAL.

BEGIN;

PRAGMA application_id = 0x53504F41;  -- "SPOA": `file rules.db` and the agent know it by that
PRAGMA user_version = 1;

CREATE TABLE rules (
  -- AUTOINCREMENT: the id of a deleted rule is not given to another one, which would inherit its counters and reports.
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL DEFAULT '',
  enabled INTEGER NOT NULL DEFAULT 1,
  priority INTEGER NOT NULL DEFAULT 100,         -- lower is evaluated first; then id
  src TEXT, method TEXT, host TEXT, path TEXT,   -- patterns; NULL = any
  match TEXT,                                    -- further attributes: '{"api_key":"K123","country":"!AR"}'
  action TEXT NOT NULL DEFAULT 'limit',          -- allow | deny | limit
  requests INTEGER, period INTEGER,              -- limit: this many per so many seconds (1e9, 30 days at most)
  per TEXT,                                      -- counted apart for each value of these: 'src', 'src,path', 'api_key'; NULL: one counter
  algorithm TEXT NOT NULL DEFAULT 'sliding',     -- sliding | fixed | token
  burst INTEGER,                                 -- token only; default: requests
  over TEXT NOT NULL DEFAULT 'deny',             -- what comes over the limit: deny | slow
  status INTEGER, ban INTEGER,                   -- ban: seconds
  shadow INTEGER NOT NULL DEFAULT 0, policy TEXT,
  valid_from TEXT, valid_until TEXT,             -- 2026-11-20T09:00:00Z
  note TEXT,

  -- Up to 2^53 - 1: what JSON readers take for a whole number.
  CONSTRAINT "id: a whole number from 1 to 9007199254740991; leave it out for the next free one"
    CHECK (id BETWEEN 1 AND 9007199254740991),

  CONSTRAINT "name: at most 200 characters, none of them a control character"
    CHECK (instr(name, char(0)) = 0 AND length(name) <= 200
       AND name NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
  CONSTRAINT "note: at most 2000 characters, none of them a control character or a line break"
    CHECK (instr(note, char(0)) = 0 AND length(note) <= 2000
       AND note NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),

  CONSTRAINT "enabled: 1 or 0" CHECK (enabled IN (0, 1)),
  CONSTRAINT "shadow: 1 or 0"  CHECK (shadow IN (0, 1)),
  CONSTRAINT "priority: a whole number from -2147483648 to 2147483647; lower is evaluated first"
    CHECK (priority BETWEEN -2147483648 AND 2147483647),

  -- ---- what the rule does

  CONSTRAINT "action: allow, deny or limit" CHECK (action IN ('allow', 'deny', 'limit')),

  CONSTRAINT "requests: only a limit counts requests; leave it out for allow and deny"
    CHECK (action = 'limit' OR requests IS NULL),
  CONSTRAINT "requests: a limit needs requests and period, as in requests = 100, period = 60"
    CHECK (action <> 'limit' OR requests IS NOT NULL),
  CONSTRAINT "requests: a whole number from 1 to 1000000000; to refuse all write action = 'deny'"
    CHECK (requests BETWEEN 1 AND 1000000000),
  CONSTRAINT "period: only a limit has a period; leave it out for allow and deny"
    CHECK (action = 'limit' OR period IS NULL),
  CONSTRAINT "period: a limit needs requests and period, as in requests = 100, period = 60"
    CHECK (action <> 'limit' OR period IS NOT NULL),
  CONSTRAINT "period: a whole number of seconds from 1 to 2592000 (30 days)"
    CHECK (period BETWEEN 1 AND 2592000),

  CONSTRAINT "algorithm: sliding, fixed or token" CHECK (algorithm IN ('sliding', 'fixed', 'token')),
  CONSTRAINT "algorithm: only a limit has an algorithm; leave it out for allow and deny"
    CHECK (action = 'limit' OR algorithm = 'sliding'),
  CONSTRAINT "burst: only a limit with algorithm = 'token' has a burst; leave it out"
    CHECK (burst IS NULL OR (action = 'limit' AND algorithm = 'token')),
  CONSTRAINT "burst: a whole number from 1 to 1000000000; leave it out for as many as requests"
    CHECK (burst BETWEEN 1 AND 1000000000),

  CONSTRAINT "over: deny or slow" CHECK (over IN ('deny', 'slow')),
  CONSTRAINT "over: only a limit has something over it; leave it out for allow and deny"
    CHECK (action = 'limit' OR over = 'deny'),
  CONSTRAINT "status: only what denies has a status; leave it out for allow and for over = 'slow'"
    CHECK (status IS NULL OR action = 'deny' OR (action = 'limit' AND over = 'deny')),
  CONSTRAINT "status: one of 400 401 403 404 410 413 421 422 425 429 500 503; leave it out for 429 (limit) or 403 (deny)"
    CHECK (status IN (400, 401, 403, 404, 410, 413, 421, 422, 425, 429, 500, 503)),
  CONSTRAINT "ban: only a limit with over = 'deny' bans; leave it out"
    CHECK (ban IS NULL OR (action = 'limit' AND over = 'deny')),
  CONSTRAINT "ban: a whole number of seconds from 1 to 2592000 (30 days); leave it out for none"
    CHECK (ban BETWEEN 1 AND 2592000),

  CONSTRAINT "per: only a limit counts; leave it out for allow and deny"
    CHECK (action = 'limit' OR per IS NULL),
  CONSTRAINT "per: names of attributes with single commas and no blanks between them, as in src,path; leave it out for one counter"
    CHECK (instr(per, char(0)) = 0 AND per NOT GLOB '*[^A-Za-z0-9_.:,-]*' AND ',' || per || ',' NOT GLOB '*,,*'),
  CONSTRAINT "per: at most 8 attributes" CHECK (length(per) - length(replace(per, ',', '')) <= 7),
  CONSTRAINT "policy: a name of 1 to 64 letters, digits or . _ - (rules that share one: only the first that matches applies)"
    CHECK (instr(policy, char(0)) = 0 AND length(policy) BETWEEN 1 AND 64 AND policy NOT GLOB '*[^A-Za-z0-9_.-]*'),

  -- ---- when it is in force

  -- The GLOB comes first because strftime() takes much else, 'now' included. The round trip refuses February 30, since a
  -- modifier, even '+0 days', makes SQLite work the date out anew.
  CONSTRAINT "valid_from: an instant in UTC such as 2026-11-20T09:00:00Z"
    CHECK (CASE WHEN valid_from GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z'
                THEN strftime('%Y-%m-%dT%H:%M:%SZ', valid_from, '+0 days') IS valid_from ELSE valid_from IS NULL END),
  CONSTRAINT "valid_until: an instant in UTC such as 2026-11-20T18:00:00Z"
    CHECK (CASE WHEN valid_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]Z'
                THEN strftime('%Y-%m-%dT%H:%M:%SZ', valid_until, '+0 days') IS valid_until ELSE valid_until IS NULL END),
  CONSTRAINT "valid_until: later than valid_from" CHECK (valid_from < valid_until),

  -- ---- src: address, network, list or *

  CONSTRAINT "src: printable ASCII characters only"
    CHECK (instr(src, char(0)) = 0 AND src NOT GLOB '*[^ -~]*'),
  CONSTRAINT "src: one leading ! at most" CHECK (src NOT GLOB '!!*'),
  CONSTRAINT "src: after @ comes the name of a list, 1 to 64 letters, digits or . _ -"
    CHECK (ltrim(src, '!') NOT GLOB '@*'
        OR (length(ltrim(src, '!')) BETWEEN 2 AND 65 AND ltrim(src, '!') NOT GLOB '@*[^A-Za-z0-9_.-]*')),
  CONSTRAINT "src: an address or network such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32, a list such as @offices, * for present, or NULL for any"
    CHECK (CASE
      WHEN src IS NULL OR ltrim(src, '!') = '*' OR ltrim(src, '!') GLOB '@*' THEN 1
      WHEN src GLOB '*:*' THEN
            ltrim(src, '!') NOT GLOB '*[^0-9A-Fa-f:./]*'
        AND src NOT GLOB '*/*[^0-9]*' AND src NOT GLOB '*/'           -- behind the slash, digits
        AND src NOT GLOB '*[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f]*'
        AND src NOT GLOB '*:::*' AND src NOT GLOB '*::*::*'
        AND ltrim(src, '!') NOT GLOB ':[^:]*'                         -- a colon at either end is one of two
        AND src NOT GLOB '*[^:]:' AND src NOT GLOB '*[^:]:/*'
        -- Eight groups, of which a dotted quad makes two and '::' at least one. Colons are easier to count.
        AND CASE WHEN src GLOB '*::*'
              THEN length(src) - length(replace(src, ':', '')) + (src GLOB '*.*')
                   <= 7 + (ltrim(src, '!') GLOB '::*' OR src GLOB '*::' OR src GLOB '*::/*')
              ELSE length(src) - length(replace(src, ':', '')) + (src GLOB '*.*') = 7 END
        AND (src NOT GLOB '*.*' OR rtrim(src, '0123456789./') GLOB '*:') -- a dotted quad is the last group
      ELSE ltrim(src, '!') NOT GLOB '*[^0-9./]*' AND src GLOB '*.*' END),
  -- The dotted quad of an IPv4 address, or at the end of an IPv6 address, seen as ':192.0.2.7.'.
  CONSTRAINT "src: an IPv4 address has four numbers from 0 to 255 without leading zeros, as in 192.0.2.7"
    CHECK (src NOT GLOB '*.*' OR ltrim(src, '!') GLOB '@*' OR (
            length(src) - length(replace(src, '.', '')) = 3 AND src NOT GLOB '*.*:*' AND src NOT GLOB '*/*.*'
        AND ':' || substr(src, 1, instr(src || '/', '/') - 1) || '.' NOT GLOB '*[^0-9].*'         -- a number is missing
        AND ':' || substr(src, 1, instr(src || '/', '/') - 1) || '.' NOT GLOB '*[!:]0[0-9].*'     -- leading zeros, in the first number
        AND ':' || substr(src, 1, instr(src || '/', '/') - 1) || '.' NOT GLOB '*[!:]0[0-9][0-9].*'
        AND ':' || substr(src, 1, instr(src || '/', '/') - 1) || '.' NOT GLOB '*.0[0-9]*'         -- and in the others
        AND ':' || substr(src, 1, instr(src || '/', '/') - 1) || '.' NOT GLOB '*[0-9][0-9][0-9][0-9].*' -- above 255
        AND ':' || substr(src, 1, instr(src || '/', '/') - 1) || '.' NOT GLOB '*[3-9][0-9][0-9].*'
        AND ':' || substr(src, 1, instr(src || '/', '/') - 1) || '.' NOT GLOB '*2[6-9][0-9].*'
        AND ':' || substr(src, 1, instr(src || '/', '/') - 1) || '.' NOT GLOB '*25[6-9].*')),
  CONSTRAINT "src: an IPv4 network ends in a prefix length from /0 to /32, as in 10.0.0.0/8"
    CHECK (src GLOB '*:*' OR src NOT GLOB '*/*' OR (
            src NOT GLOB '*/' AND src NOT GLOB '*/*/*' AND src NOT GLOB '*/0[0-9]*'
        AND src NOT GLOB '*/[0-9][0-9][0-9]*' AND src NOT GLOB '*/3[3-9]' AND src NOT GLOB '*/[4-9][0-9]')),
  CONSTRAINT "src: an IPv6 network ends in a prefix length from /0 to /128, as in 2001:db8::/32"
    CHECK (src NOT GLOB '*:*/*' OR (
            src NOT GLOB '*/0[0-9]*' AND src NOT GLOB '*/[0-9][0-9][0-9][0-9]*'
        AND src NOT GLOB '*/[2-9][0-9][0-9]' AND src NOT GLOB '*/1[3-9][0-9]' AND src NOT GLOB '*/129')),
  -- 10.0.0.0/8 read as the JSON array [10,0,0,0,8]. `rules_check` does it for IPv6.
  CONSTRAINT "src: an IPv4 network has no bits set behind its prefix: write 10.1.0.0/16, not 10.1.2.3/16"
    CHECK (src NOT GLOB '*.*/*' OR src GLOB '*:*' OR ltrim(src, '!') GLOB '@*' OR 0 = (
           (('[' || replace(replace(ltrim(src, '!'), '.', ','), '/', ',') || ']' ->> 0 << 24)
          | ('[' || replace(replace(ltrim(src, '!'), '.', ','), '/', ',') || ']' ->> 1 << 16)
          | ('[' || replace(replace(ltrim(src, '!'), '.', ','), '/', ',') || ']' ->> 2 << 8)
          | ('[' || replace(replace(ltrim(src, '!'), '.', ','), '/', ',') || ']' ->> 3))
          & (1 << 32 - ('[' || replace(replace(ltrim(src, '!'), '.', ','), '/', ',') || ']' ->> 4)) - 1)),

  -- ---- method, host, path: text, GLOB, ~regex or @list

  CONSTRAINT "method: printable ASCII characters only, at most 2048"
    CHECK (instr(method, char(0)) = 0 AND length(method) <= 2048 AND method NOT GLOB '*[^ -~]*'),
  CONSTRAINT "method: one leading ! at most" CHECK (method NOT GLOB '!!*'),
  CONSTRAINT "method: after @ comes the name of a list, 1 to 64 letters, digits or . _ -"
    CHECK (ltrim(method, '!') NOT GLOB '@*'
        OR (length(ltrim(method, '!')) BETWEEN 2 AND 65 AND ltrim(method, '!') NOT GLOB '@*[^A-Za-z0-9_.-]*')),
  CONSTRAINT "method: after ~ comes a regular expression" CHECK (ltrim(method, '!') <> '~'),
  CONSTRAINT "method: in upper case, as in GET"
    CHECK (ltrim(method, '!') GLOB '[~@]*' OR method NOT GLOB '*[a-z]*'),
  CONSTRAINT "method: names with single commas and no blanks between them, as in GET,HEAD or !GET,HEAD, or NULL for any"
    CHECK (ltrim(method, '!') GLOB '[~@]*'
        OR (ltrim(method, '!') NOT GLOB '*[^]A-Z0-9_.*?[,^-]*' AND ',' || ltrim(method, '!') || ',' NOT GLOB '*,,*')),

  CONSTRAINT "host: printable ASCII characters only, at most 2048; write an international name as xn--..."
    CHECK (instr(host, char(0)) = 0 AND length(host) <= 2048 AND host NOT GLOB '*[^ -~]*'),
  CONSTRAINT "host: one leading ! at most" CHECK (host NOT GLOB '!!*'),
  CONSTRAINT "host: after @ comes the name of a list, 1 to 64 letters, digits or . _ -"
    CHECK (ltrim(host, '!') NOT GLOB '@*'
        OR (length(ltrim(host, '!')) BETWEEN 2 AND 65 AND ltrim(host, '!') NOT GLOB '@*[^A-Za-z0-9_.-]*')),
  CONSTRAINT "host: after ~ comes a regular expression" CHECK (ltrim(host, '!') <> '~'),
  CONSTRAINT "host: only the name, without http:// and path"
    CHECK (ltrim(host, '!') GLOB '[~@]*' OR host NOT GLOB '*/*'),
  CONSTRAINT "host: in lower case, as in api.example.com"
    CHECK (ltrim(host, '!') GLOB '[~@]*' OR host NOT GLOB '*[A-Z]*'),
  -- [::1] would be a GLOB that matches one character.
  CONSTRAINT "host: without port; an IPv6 host such as [::1] goes into a list or a regular expression"
    CHECK (ltrim(host, '!') GLOB '[~@]*' OR host NOT GLOB '*:*'),
  CONSTRAINT "host: one name or pattern such as api.example.com or *.example.com (several names go into a list), or NULL for any"
    CHECK (ltrim(host, '!') GLOB '[~@]*'
        OR (ltrim(host, '!') <> '' AND ltrim(host, '!') NOT GLOB '*[^]a-z0-9_.*?[^-]*')),
  CONSTRAINT "host: without a dot at the end" CHECK (ltrim(host, '!') GLOB '[~@]*' OR host NOT GLOB '*.'),
  CONSTRAINT "host: without a dot at the start; write *.example.com for every name below example.com"
    CHECK (ltrim(host, '!') NOT GLOB '.*'),

  CONSTRAINT "path: printable ASCII characters only, at most 2048; write other bytes as escapes such as %C3%BC"
    CHECK (instr(path, char(0)) = 0 AND length(path) <= 2048 AND path NOT GLOB '*[^ -~]*'),
  CONSTRAINT "path: one leading ! at most" CHECK (path NOT GLOB '!!*'),
  CONSTRAINT "path: after @ comes the name of a list, 1 to 64 letters, digits or . _ -"
    CHECK (ltrim(path, '!') NOT GLOB '@*'
        OR (length(ltrim(path, '!')) BETWEEN 2 AND 65 AND ltrim(path, '!') NOT GLOB '@*[^A-Za-z0-9_.-]*')),
  CONSTRAINT "path: after ~ comes a regular expression" CHECK (ltrim(path, '!') <> '~'),
  CONSTRAINT "path: begins with /, or with * ? [ as a pattern that is open there, as in /items/* or *.php, or NULL for any"
    CHECK (ltrim(path, '!') GLOB '[~@/*?[]*'),
  CONSTRAINT "path: with single slashes, since repeated ones are merged before matching"
    CHECK (ltrim(path, '!') GLOB '[~@]*' OR instr(path, '//') = 0),
  CONSTRAINT "path: without . and .. between slashes, since they are resolved before matching"
    CHECK (ltrim(path, '!') GLOB '[~@]*' OR (instr(path || '/', '/./') = 0 AND instr(path || '/', '/../') = 0)),
  CONSTRAINT "path: escapes in upper case, as in %C3%BC; a % that begins no escape is written %25"
    CHECK (ltrim(path, '!') GLOB '[~@]*' OR (path NOT GLOB '*%' AND path NOT GLOB '*%[^0-9A-F]*'
        AND path NOT GLOB '*%[0-9A-F]' AND path NOT GLOB '*%[0-9A-F][^0-9A-F]*')),
  -- %20 to %7E but %25
  CONSTRAINT "path: a character that prints stands for itself: write a, not %61, and a blank, not %20"
    CHECK (ltrim(path, '!') GLOB '[~@]*' OR (path NOT GLOB '*%2[0-46-9A-F]*' AND path NOT GLOB '*%[3-6][0-9A-F]*'
        AND path NOT GLOB '*%7[0-9A-E]*')),
  CONSTRAINT "path: without a blank at the end; where one is meant write [ ]"
    CHECK (ltrim(path, '!') GLOB '[~@]*' OR path NOT GLOB '* '),

  -- ---- match: the object itself; what is in it is for `rules_check`

  CONSTRAINT "match: at most 8192 bytes and no control characters"
    CHECK (instr(match, char(0)) = 0 AND length(CAST(match AS BLOB)) <= 8192 AND instr(match, '\u0000') = 0),
  CONSTRAINT "match: a JSON object of attributes, such as {""api_key"":""K123"",""country"":""!AR""}, or NULL for any"
    CHECK (CASE WHEN match IS NULL THEN 1 WHEN json_valid(match) THEN json_type(match) = 'object' AND json(match) <> '{}'
                ELSE 0 END)
) STRICT;

-- Addresses and networks, or texts, under a name that rules use as '@name'. An entry is taken literally: '*', '~', '!'
-- and '@' mean nothing here.
CREATE TABLE lists (
  list TEXT, entry TEXT, PRIMARY KEY (list, entry),
  CONSTRAINT "list: a name of 1 to 64 letters, digits or . _ -, without @"
    CHECK (instr(list, char(0)) = 0 AND length(list) BETWEEN 1 AND 64 AND list NOT GLOB '*[^A-Za-z0-9_.-]*'),
  CONSTRAINT "entry: 1 to 2048 bytes, none of them a control character"
    CHECK (instr(entry, char(0)) = 0 AND length(CAST(entry AS BLOB)) BETWEEN 1 AND 2048
       AND entry NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*'),
  CONSTRAINT "entry: without blanks at its start and end" CHECK (entry = trim(entry))
) STRICT, WITHOUT ROWID;

-- ---- what takes a loop to check

-- A subroutine: the triggers of `rules` insert a row here, and the trigger of this view, which is always empty, looks
-- at it. So each sentence stands here once and not once for INSERT and again for UPDATE. By then the CHECKs have passed.
CREATE VIEW rules_check AS SELECT name, note, src, method, host, path, match, per FROM rules WHERE 0;

CREATE TRIGGER rules_check_insert INSTEAD OF INSERT ON rules_check BEGIN

  -- name, note: a text whose characters, written again, are other bytes is not UTF-8.
  SELECT RAISE(ABORT, 'name: write it in UTF-8') WHERE NEW.name GLOB '*[^ -~]*' AND NEW.name <> (
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < length(NEW.name))
    SELECT group_concat(char(unicode(substr(NEW.name, i, 1))), '') FROM n);
  SELECT RAISE(ABORT, 'note: write it in UTF-8') WHERE NEW.note GLOB '*[^ -~]*' AND NEW.note <> (
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < length(NEW.note))
    SELECT group_concat(char(unicode(substr(NEW.note, i, 1))), '') FROM n);

  SELECT RAISE(ABORT, 'per: a name of an attribute has at most 64 characters')
    FROM json_each('["' || replace(NEW.per, ',', '","') || '"]') WHERE length(value) > 64;
  SELECT RAISE(ABORT, 'per: each attribute once')
    WHERE NEW.per GLOB '*,*' AND (SELECT count(*) > count(DISTINCT value)
                                  FROM json_each('["' || replace(NEW.per, ',', '","') || '"]'));

  SELECT CASE
      WHEN key = '' OR length(key) > 64 OR key GLOB '*[^A-Za-z0-9_.:-]*'
      THEN RAISE(ABORT, 'match: the name of an attribute is 1 to 64 letters, digits or _ . : -')
      WHEN key IN ('src', 'method', 'host', 'path')
      THEN RAISE(ABORT, 'match: src, method, host and path have their own columns; write them there')
      WHEN type NOT IN ('text', 'integer', 'true', 'false')
      THEN RAISE(ABORT, 'match: a value is a text, a whole number, true or false')
      WHEN type = 'integer' AND typeof(value) <> 'integer'
      THEN RAISE(ABORT, 'match: write a number this long as a text, in quotes')
      WHEN type = 'text' AND ltrim(value, '!') = ''
      THEN RAISE(ABORT, 'match: a value is not empty; write !* for absent, !?* for absent or empty')
      WHEN type = 'text' AND value GLOB '!!*'
      THEN RAISE(ABORT, 'match: one leading ! at most in a value')
      WHEN type = 'text' AND (length(CAST(value AS BLOB)) > 2048
        OR value GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*')
      THEN RAISE(ABORT, 'match: a value has at most 2048 bytes, none of them a control character')
      WHEN type = 'text' AND ltrim(value, '!') GLOB '@*'
       AND (length(ltrim(value, '!')) NOT BETWEEN 2 AND 65 OR ltrim(value, '!') GLOB '@*[^A-Za-z0-9_.-]*')
      THEN RAISE(ABORT, 'match: after @ comes the name of a list, 1 to 64 letters, digits or . _ -')
      WHEN type = 'text' AND ltrim(value, '!') = '~'
      THEN RAISE(ABORT, 'match: after ~ comes a regular expression')
    END
    FROM json_each(NEW.match);
  SELECT RAISE(ABORT, 'match: each attribute once')
    WHERE NEW.match GLOB '*:*:*' AND (SELECT count(*) > count(DISTINCT key) FROM json_each(NEW.match));

  -- A '[' that nothing closes: GLOB never matches then. In a set the first character, behind a '^', is a member even if
  -- it is ']', so the search begins behind it. Each step goes on behind one set; NULL: it had no end.
  SELECT CASE part
      WHEN 'method' THEN RAISE(ABORT, 'method: close the [ with ], or write [[] for the character')
      WHEN 'host' THEN RAISE(ABORT, 'host: close the [ with ], or write [[] for the character')
      WHEN 'path' THEN RAISE(ABORT, 'path: close the [ with ], or write [[] for the character')
      WHEN 'match' THEN RAISE(ABORT, 'match: close the [ with ], or write [[] for the character')
    END
    FROM (WITH RECURSIVE rest(part, text) AS (
        SELECT part, replace(text, '[^', '[') FROM (
            SELECT 'method' AS part, value AS text  -- a regular expression may hold what JSON would stumble over
              FROM json_each(CASE WHEN ltrim(NEW.method, '!') GLOB '[~@]*' THEN '[]'
                                  ELSE '["' || replace(NEW.method, ',', '","') || '"]' END)
            UNION ALL SELECT 'host', NEW.host
            UNION ALL SELECT 'path', NEW.path
            UNION ALL SELECT 'match', value FROM json_each(NEW.match) WHERE type = 'text')
          WHERE text GLOB '*[[]*' AND ltrim(text, '!') NOT GLOB '[~@]*'
        UNION ALL
        SELECT part, CASE WHEN instr(substr(text, instr(text, '[') + 2), ']') > 0
                          THEN substr(text, instr(text, '[') + 2 + instr(substr(text, instr(text, '[') + 2), ']')) END
          FROM rest WHERE instr(text, '[') > 0)
      SELECT part FROM rest WHERE text IS NULL)
    WHERE NEW.method GLOB '*[[]*' OR NEW.host GLOB '*[[]*' OR NEW.path GLOB '*[[]*' OR NEW.match GLOB '*[[]*';
END;

-- src as an IPv6 network: its eight groups as a JSON array, by way of another such view, since a subquery in its place
-- would be worked out once for each mention.
CREATE VIEW rules_check_ipv6 AS SELECT src AS groups, id AS prefix FROM rules WHERE 0;

CREATE TRIGGER rules_check_src INSTEAD OF INSERT ON rules_check WHEN NEW.src GLOB '*:*' BEGIN
  INSERT INTO rules_check_ipv6 VALUES (
    (SELECT '["' || replace(trim(
              -- '::' becomes the zeros that are missing from eight groups
              replace(text, '::', ':' || substr('0:0:0:0:0:0:0:0:', 1, 2 * (8 -
                (length(text) - length(replace(text, ':', '')) - (text GLOB '::*') - (text GLOB '*::'))))),
              ':'), ':', '","') || '"]'
       -- a dotted quad becomes two groups
       FROM (SELECT CASE WHEN quad = '[]' THEN address ELSE rtrim(address, '0123456789.')
                 || printf('%x:%x', (quad ->> 0) * 256 + (quad ->> 1), (quad ->> 2) * 256 + (quad ->> 3)) END AS text
         FROM (SELECT address, '[' || replace(CASE WHEN address GLOB '*.*'
                 THEN substr(address, length(rtrim(address, '0123456789.')) + 1) ELSE '' END, '.', ',') || ']' AS quad
           FROM (SELECT lower(substr(ltrim(NEW.src, '!'), 1, instr(ltrim(NEW.src, '!') || '/', '/') - 1)) AS address)))),
    CASE WHEN NEW.src GLOB '*/*' THEN CAST(substr(NEW.src, instr(NEW.src, '/') + 1) AS INTEGER) ELSE 128 END);
END;

CREATE TRIGGER rules_check_ipv6_insert INSTEAD OF INSERT ON rules_check_ipv6 BEGIN
  SELECT CASE
      WHEN digits GLOB '00000000000000000000ffff*' AND NEW.prefix >= 96
      THEN RAISE(ABORT, 'src: write an IPv4-mapped address such as ::ffff:192.0.2.7 as the IPv4 address, 192.0.2.7')
      WHEN rtrim(substr(digits, NEW.prefix / 4 + 2), '0') <> ''
        OR (instr('0123456789abcdef', substr(digits, NEW.prefix / 4 + 1, 1)) - 1) & ((1 << (4 - NEW.prefix % 4)) - 1)
      THEN RAISE(ABORT, 'src: an IPv6 network has no bits set behind its prefix: write 2001:db8::/32, not 2001:db8::1/32')
    END
    FROM (SELECT substr('000' || (NEW.groups ->> 0), -4) || substr('000' || (NEW.groups ->> 1), -4) ||
                 substr('000' || (NEW.groups ->> 2), -4) || substr('000' || (NEW.groups ->> 3), -4) ||
                 substr('000' || (NEW.groups ->> 4), -4) || substr('000' || (NEW.groups ->> 5), -4) ||
                 substr('000' || (NEW.groups ->> 6), -4) || substr('000' || (NEW.groups ->> 7), -4) AS digits);
END;

-- AFTER, not BEFORE: the CHECKs speak first, and an upsert is seen as what it becomes.
CREATE TRIGGER rules_inserted AFTER INSERT ON rules BEGIN
  INSERT INTO rules_check VALUES (NEW.name, NEW.note, NEW.src, NEW.method, NEW.host, NEW.path, NEW.match, NEW.per);
END;

CREATE TRIGGER rules_updated AFTER UPDATE OF name, note, src, method, host, path, match, per ON rules BEGIN
  INSERT INTO rules_check VALUES (NEW.name, NEW.note, NEW.src, NEW.method, NEW.host, NEW.path, NEW.match, NEW.per);
END;

-- Counters, bans and reports go by the id: under another one they would be lost, or be those of another rule.
CREATE TRIGGER rules_id_stays AFTER UPDATE OF id ON rules WHEN NEW.id <> OLD.id BEGIN
  SELECT RAISE(ABORT, 'id: a rule keeps its id; change priority to move it, or insert a new rule');
END;

-- ---- lists: what the agent would refuse

-- begin: doors of lists. A file that was made before they were gets them from here: see README, Lists.

-- Which entries a rule can use for src, host and path, told from the text as the agent does it (spoa/policy/list.c,
-- normalise.c; a test compares both). A list that no rule uses for these may hold any text.
--
--   SELECT entry FROM list_entries WHERE list = 'blocked' AND NOT is_address;
DROP VIEW IF EXISTS list_entries;
CREATE VIEW list_entries AS SELECT list, entry,
  CASE
    WHEN entry GLOB '*:*' THEN CASE
      WHEN entry GLOB '*[^0-9A-Fa-f:./]*'
        OR entry GLOB '*/*[^0-9]*' OR entry GLOB '*/' OR entry GLOB '*/0[0-9]*' OR entry GLOB '*/[0-9][0-9][0-9][0-9]*'
        OR substr(entry, instr(entry || '/', '/') + 1) + 0 > 128
        OR entry GLOB '*[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f]*'
        OR entry GLOB '*:::*' OR entry GLOB '*::*::*'
        OR entry GLOB ':[^:]*' OR entry GLOB '*[^:]:' OR entry GLOB '*[^:]:/*'   -- a colon at either end is one of two
        -- Eight groups, of which a dotted quad makes two and '::' at least one. Colons are easier to count.
        OR CASE WHEN entry GLOB '*::*'
             THEN length(entry) - length(replace(entry, ':', '')) + (entry GLOB '*.*')
                  > 7 + (entry GLOB '::*' OR entry GLOB '*::' OR entry GLOB '*::/*')
             ELSE length(entry) - length(replace(entry, ':', '')) + (entry GLOB '*.*') <> 7 END
      THEN 0
      -- A dotted quad is the last group, and read as the JSON array [192,0,2,7] it has four numbers up to 255.
      WHEN entry GLOB '*.*' AND CASE
        WHEN entry GLOB '*.*:*' OR entry GLOB '*/*.*' OR length(entry) - length(replace(entry, '.', '')) <> 3
          OR rtrim(entry, '0123456789./') NOT GLOB '*:'
          OR NOT json_valid('[' || replace(substr(substr(entry, 1, instr(entry || '/', '/') - 1),
               length(rtrim(substr(entry, 1, instr(entry || '/', '/') - 1), '0123456789.')) + 1), '.', ',') || ']')
        THEN 1
        ELSE (SELECT max(value) > 255 FROM json_each('[' || replace(substr(substr(entry, 1, instr(entry || '/', '/') - 1),
               length(rtrim(substr(entry, 1, instr(entry || '/', '/') - 1), '0123456789.')) + 1), '.', ',') || ']')) END
      THEN 0
      -- Not IPv4-mapped, and no bits behind the prefix, in 32 hexadecimal digits.
      ELSE (SELECT digits NOT GLOB '00000000000000000000ffff*' AND rtrim(substr(digits, prefix / 4 + 2), '0') = ''
               AND (instr('0123456789abcdef', substr(digits, prefix / 4 + 1, 1)) - 1) & ((1 << (4 - prefix % 4)) - 1) = 0
        FROM (SELECT group_concat(substr('000' || value, -4), '') AS digits,
                CASE WHEN entry GLOB '*/*' THEN substr(entry, instr(entry, '/') + 1) + 0 ELSE 128 END AS prefix
          -- '::' becomes the zeros that are missing from eight groups
          FROM json_each((SELECT '["' || replace(trim(replace(text, '::', ':' || substr('0:0:0:0:0:0:0:0:', 1, 2 * (8 -
                  (length(text) - length(replace(text, ':', '')) - (text GLOB '::*') - (text GLOB '*::'))))), ':'),
                ':', '","') || '"]'
            -- a dotted quad becomes two groups
            FROM (SELECT CASE WHEN address NOT GLOB '*.*' THEN address ELSE rtrim(address, '0123456789.')
                      || (SELECT printf('%x:%x', sum(value << (24 - 8 * key)) >> 16, sum(value << (24 - 8 * key)) & 65535)
                          FROM json_each('[' || replace(substr(address, length(rtrim(address, '0123456789.')) + 1),
                            '.', ',') || ']')) END AS text
              FROM (SELECT lower(substr(entry, 1, instr(entry || '/', '/') - 1)) AS address)))))) END
    WHEN entry GLOB '*[^0-9./]*' OR length(entry) - length(replace(entry, '.', '')) <> 3
    -- The numbers of 192.0.2.7, seen as '.192.0.2.7.': one is missing, has leading zeros or is above 255.
      OR '.' || substr(entry, 1, instr(entry || '/', '/') - 1) || '.' GLOB '*..*'
      OR '.' || substr(entry, 1, instr(entry || '/', '/') - 1) || '.' GLOB '*.0[0-9]*'
      OR substr(entry, 1, instr(entry || '/', '/') - 1) GLOB '*[0-9][0-9][0-9][0-9]*'
      OR substr(entry, 1, instr(entry || '/', '/') - 1) GLOB '*[3-9][0-9][0-9]*'
      OR substr(entry, 1, instr(entry || '/', '/') - 1) GLOB '*2[6-9][0-9]*'
      OR substr(entry, 1, instr(entry || '/', '/') - 1) GLOB '*25[6-9]*'
    THEN 0
    WHEN entry NOT GLOB '*/*' THEN 1
    WHEN entry GLOB '*/*[./]*' OR entry GLOB '*/' OR entry GLOB '*/0[0-9]*' OR entry GLOB '*/[0-9][0-9][0-9]*'
      OR substr(entry, instr(entry, '/') + 1) + 0 > 32
    THEN 0
    -- 10.0.0.0/8 read as the JSON array [10,0,0,0,8]
    ELSE (SELECT ((quad ->> 0 << 24) | (quad ->> 1 << 16) | (quad ->> 2 << 8) | (quad ->> 3))
               & ((1 << 32 - (quad ->> 4)) - 1) = 0
      FROM (SELECT '[' || replace(replace(entry, '.', ','), '/', ',') || ']' AS quad))
  END AS is_address,
  -- In lower case, without dots at the end, and without a port, whose colon may stand behind an address in brackets.
  entry NOT GLOB '*[A-Z]*' AND entry NOT GLOB '*.'
    -- as bytes, since instr() and substr() count what is not UTF-8 differently
    AND instr(CASE WHEN entry GLOB '[[]*' THEN substr(CAST(entry AS BLOB), max(instr(CAST(entry AS BLOB), x'5D'), 1))
                   ELSE CAST(entry AS BLOB) END, x'3A') = 0 AS is_host,
  -- As the path of a rule that is plain text.
  entry GLOB '/*' AND entry NOT GLOB '*[^ -~]*' AND instr(entry, '//') = 0
    AND instr(entry || '/', '/./') = 0 AND instr(entry || '/', '/../') = 0
    AND entry NOT GLOB '*%' AND entry NOT GLOB '*%[^0-9A-F]*'
    AND entry NOT GLOB '*%[0-9A-F]' AND entry NOT GLOB '*%[0-9A-F][^0-9A-F]*'
    AND entry NOT GLOB '*%2[0-46-9A-F]*' AND entry NOT GLOB '*%[3-6][0-9A-F]*' AND entry NOT GLOB '*%7[0-9A-E]*' AS is_path
  FROM lists;

-- Of rules that use lists there are few: an entry is judged without a walk over all rules.
CREATE INDEX IF NOT EXISTS rules_src_lists ON rules(src) WHERE ltrim(src, '!') GLOB '@*';
CREATE INDEX IF NOT EXISTS rules_host_lists ON rules(host) WHERE ltrim(host, '!') GLOB '@*';
CREATE INDEX IF NOT EXISTS rules_path_lists ON rules(path) WHERE ltrim(path, '!') GLOB '@*';

-- One trigger for each column: SQLite makes room for a trigger's whole program at each row, and one large program took
-- five times as long as three small ones.
DROP TRIGGER IF EXISTS lists_inserted_src;
CREATE TRIGGER lists_inserted_src AFTER INSERT ON lists WHEN EXISTS (SELECT 1 FROM rules
  WHERE ltrim(src, '!') GLOB '@*' AND src IN ('@' || NEW.list, '!@' || NEW.list) AND enabled IS NOT 0) BEGIN
  SELECT RAISE(ABORT, 'entry: a rule uses the list for src: write an address such as 192.0.2.7 or 2001:db8::7, or a network with no bits set behind its prefix such as 10.0.0.0/8 (spoa-rules import takes other forms, too)')
    FROM list_entries WHERE list = NEW.list AND entry = NEW.entry AND NOT is_address;
END;
DROP TRIGGER IF EXISTS lists_inserted_host;
CREATE TRIGGER lists_inserted_host AFTER INSERT ON lists WHEN EXISTS (SELECT 1 FROM rules
  WHERE ltrim(host, '!') GLOB '@*' AND host IN ('@' || NEW.list, '!@' || NEW.list) AND enabled IS NOT 0) BEGIN
  SELECT RAISE(ABORT, 'entry: a rule uses the list for host: write a name in lower case, without port and without a dot at the end')
    FROM list_entries WHERE list = NEW.list AND entry = NEW.entry AND NOT is_host;
END;
DROP TRIGGER IF EXISTS lists_inserted_path;
CREATE TRIGGER lists_inserted_path AFTER INSERT ON lists WHEN EXISTS (SELECT 1 FROM rules
  WHERE ltrim(path, '!') GLOB '@*' AND path IN ('@' || NEW.list, '!@' || NEW.list) AND enabled IS NOT 0) BEGIN
  SELECT RAISE(ABORT, 'entry: a rule uses the list for path: write it as rules see it, as in /a/b: single slashes, no . or .. between them, and escapes only of what does not print, in upper case, as in %C3%BC')
    FROM list_entries WHERE list = NEW.list AND entry = NEW.entry AND NOT is_path;
END;

-- ROLLBACK, since what takes an imported list over deletes the old one before, and goes on to COMMIT after an error.
DROP TRIGGER IF EXISTS lists_updated_src;
CREATE TRIGGER lists_updated_src AFTER UPDATE ON lists WHEN EXISTS (SELECT 1 FROM rules
  WHERE ltrim(src, '!') GLOB '@*' AND src IN ('@' || NEW.list, '!@' || NEW.list) AND enabled IS NOT 0) BEGIN
  SELECT RAISE(ROLLBACK, 'entry: a rule uses the list for src, and an entry is no address or network as rules take it; nothing is changed. SELECT list, entry FROM list_entries WHERE NOT is_address shows which (spoa-rules import takes other forms, too)')
    FROM list_entries WHERE list = NEW.list AND entry = NEW.entry AND NOT is_address;
END;
DROP TRIGGER IF EXISTS lists_updated_host;
CREATE TRIGGER lists_updated_host AFTER UPDATE ON lists WHEN EXISTS (SELECT 1 FROM rules
  WHERE ltrim(host, '!') GLOB '@*' AND host IN ('@' || NEW.list, '!@' || NEW.list) AND enabled IS NOT 0) BEGIN
  SELECT RAISE(ROLLBACK, 'entry: a rule uses the list for host, and an entry is no name as rules see it; nothing is changed. SELECT list, entry FROM list_entries WHERE NOT is_host shows which')
    FROM list_entries WHERE list = NEW.list AND entry = NEW.entry AND NOT is_host;
END;
DROP TRIGGER IF EXISTS lists_updated_path;
CREATE TRIGGER lists_updated_path AFTER UPDATE ON lists WHEN EXISTS (SELECT 1 FROM rules
  WHERE ltrim(path, '!') GLOB '@*' AND path IN ('@' || NEW.list, '!@' || NEW.list) AND enabled IS NOT 0) BEGIN
  SELECT RAISE(ROLLBACK, 'entry: a rule uses the list for path, and an entry is no path as rules see it; nothing is changed. SELECT list, entry FROM list_entries WHERE NOT is_path shows which')
    FROM list_entries WHERE list = NEW.list AND entry = NEW.entry AND NOT is_path;
END;

-- A rule may name a list before it is filled; but what is in it must be of use.
DROP VIEW IF EXISTS rules_check_lists;
CREATE VIEW rules_check_lists AS SELECT src, host, path FROM rules WHERE 0;

DROP TRIGGER IF EXISTS rules_check_lists_insert;
CREATE TRIGGER rules_check_lists_insert INSTEAD OF INSERT ON rules_check_lists BEGIN
  SELECT RAISE(ABORT, 'src: the list holds what is no address or network as rules take it: SELECT list, entry FROM list_entries WHERE NOT is_address shows it')
    WHERE ltrim(NEW.src, '!') GLOB '@*'
      AND EXISTS (SELECT 1 FROM list_entries WHERE list = substr(ltrim(NEW.src, '!'), 2) AND NOT is_address);
  SELECT RAISE(ABORT, 'host: the list holds what is no name as rules see it: SELECT list, entry FROM list_entries WHERE NOT is_host shows it')
    WHERE ltrim(NEW.host, '!') GLOB '@*'
      AND EXISTS (SELECT 1 FROM list_entries WHERE list = substr(ltrim(NEW.host, '!'), 2) AND NOT is_host);
  SELECT RAISE(ABORT, 'path: the list holds what is no path as rules see it: SELECT list, entry FROM list_entries WHERE NOT is_path shows it')
    WHERE ltrim(NEW.path, '!') GLOB '@*'
      AND EXISTS (SELECT 1 FROM list_entries WHERE list = substr(ltrim(NEW.path, '!'), 2) AND NOT is_path);
END;

DROP TRIGGER IF EXISTS rules_lists_inserted;
CREATE TRIGGER rules_lists_inserted AFTER INSERT ON rules WHEN NEW.enabled IS NOT 0 BEGIN
  INSERT INTO rules_check_lists VALUES (NEW.src, NEW.host, NEW.path);
END;

-- Only where the rule begins to use a list: a large one takes seconds to look through.
DROP TRIGGER IF EXISTS rules_lists_updated;
CREATE TRIGGER rules_lists_updated AFTER UPDATE OF src, host, path, enabled ON rules WHEN NEW.enabled IS NOT 0 BEGIN
  INSERT INTO rules_check_lists VALUES (
    CASE WHEN OLD.enabled IS 0 OR OLD.src IS NOT NEW.src THEN NEW.src END,
    CASE WHEN OLD.enabled IS 0 OR OLD.host IS NOT NEW.host THEN NEW.host END,
    CASE WHEN OLD.enabled IS 0 OR OLD.path IS NOT NEW.path THEN NEW.path END);
END;

-- The lines of a file as a list: blanks around them go, and so do empty lines and what begins with '#'. (Published lists
-- of addresses have other forms as well: `spoa-rules import` reads those.)
-- By way of a table, because .import of SQLite 3.46 (Debian 13) takes no view.
--
--   CREATE TEMP TABLE lines(entry);
--   .import blocked.txt lines
--   INSERT INTO list_import SELECT entry FROM lines; DROP TABLE lines;
--   BEGIN; DELETE FROM lists WHERE list = 'blocked' AND EXISTS (SELECT 1 FROM lists WHERE list = 'imported');
--   UPDATE lists SET list = 'blocked' WHERE list = 'imported'; COMMIT;
--
-- The purpose of the list is known only then. Here a line is refused that begins with an address and is none, as with a
-- comment behind it.
CREATE VIEW IF NOT EXISTS list_import AS SELECT entry FROM lists WHERE list = 'imported';

DROP TRIGGER IF EXISTS list_import_insert;
CREATE TRIGGER list_import_insert INSTEAD OF INSERT ON list_import
  WHEN trim(NEW.entry, ' ' || char(9, 13)) NOT IN ('') AND trim(NEW.entry, ' ' || char(9, 13)) NOT GLOB '#*' BEGIN
  -- Not INSERT OR IGNORE, which would leave out what a CHECK refuses without a word.
  INSERT INTO lists SELECT 'imported', trim(NEW.entry, ' ' || char(9, 13))
    WHERE NOT EXISTS (SELECT 1 FROM lists WHERE list = 'imported' AND entry = trim(NEW.entry, ' ' || char(9, 13)));
  SELECT RAISE(ABORT, 'entry: an address or a network alone, with no bits set behind its prefix, as in 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32 (spoa-rules import takes comments and other forms)')
    FROM list_entries WHERE list = 'imported' AND entry = trim(NEW.entry, ' ' || char(9, 13))
      AND CASE
        WHEN entry NOT GLOB '*[-/ ;#,%]*' AND entry NOT GLOB '*::[Ff][Ff][Ff][Ff]:*' THEN 0   -- nearly all lines: spared the rest
        WHEN substr(entry, 1, length(entry) - length(ltrim(entry, '0123456789.'))) GLOB '[0-9]*.[0-9]*.[0-9]*.[0-9]*'
        THEN ltrim(entry, '0123456789.') GLOB '[-/ ;#,%]*' AND NOT is_address
        WHEN substr(entry, 1, length(entry) - length(ltrim(entry, '0123456789abcdefABCDEF:.'))) GLOB '*::*'
        THEN ltrim(entry, '0123456789abcdefABCDEF:.') || '/' GLOB '[-/ ;#,%]*' AND NOT is_address
      END;
END;

-- end: doors of lists

-- ---- history

-- Who asks "what changed last night?" reads this: SELECT * FROM rules_history ORDER BY id DESC LIMIT 20.
-- The latest 10000 changes are kept, a few MB at most, since the agent copies the whole file when it changes.
-- (INSERT OR REPLACE of an existing id shows as an insert alone, unless PRAGMA recursive_triggers is on.)
CREATE TABLE rules_history (
  id INTEGER PRIMARY KEY,
  time TEXT NOT NULL,       -- 2026-11-20T09:15:02.123Z
  what TEXT NOT NULL,       -- insert | update | delete
  rule INTEGER NOT NULL,    -- its id
  old TEXT, new TEXT        -- the row as a JSON object; NULL where there is none
) STRICT;

CREATE TRIGGER rules_history_insert AFTER INSERT ON rules BEGIN
  INSERT INTO rules_history (time, what, rule, new)
    VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'insert', NEW.id, json_object(
      'id', NEW.id, 'name', NEW.name, 'enabled', NEW.enabled, 'priority', NEW.priority,
      'src', NEW.src, 'method', NEW.method, 'host', NEW.host, 'path', NEW.path, 'match', NEW.match,
      'action', NEW.action, 'requests', NEW.requests, 'period', NEW.period, 'per', NEW.per,
      'algorithm', NEW.algorithm, 'burst', NEW.burst, 'over', NEW.over, 'status', NEW.status, 'ban', NEW.ban,
      'shadow', NEW.shadow, 'policy', NEW.policy, 'valid_from', NEW.valid_from, 'valid_until', NEW.valid_until,
      'note', NEW.note));
  DELETE FROM rules_history WHERE id <= (SELECT max(id) FROM rules_history) - 10000;
END;

CREATE TRIGGER rules_history_update AFTER UPDATE ON rules BEGIN
  INSERT INTO rules_history (time, what, rule, old, new)
    SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'update', NEW.id, old, new FROM (SELECT json_object(
      'id', OLD.id, 'name', OLD.name, 'enabled', OLD.enabled, 'priority', OLD.priority,
      'src', OLD.src, 'method', OLD.method, 'host', OLD.host, 'path', OLD.path, 'match', OLD.match,
      'action', OLD.action, 'requests', OLD.requests, 'period', OLD.period, 'per', OLD.per,
      'algorithm', OLD.algorithm, 'burst', OLD.burst, 'over', OLD.over, 'status', OLD.status, 'ban', OLD.ban,
      'shadow', OLD.shadow, 'policy', OLD.policy, 'valid_from', OLD.valid_from, 'valid_until', OLD.valid_until,
      'note', OLD.note) AS old, json_object(
      'id', NEW.id, 'name', NEW.name, 'enabled', NEW.enabled, 'priority', NEW.priority,
      'src', NEW.src, 'method', NEW.method, 'host', NEW.host, 'path', NEW.path, 'match', NEW.match,
      'action', NEW.action, 'requests', NEW.requests, 'period', NEW.period, 'per', NEW.per,
      'algorithm', NEW.algorithm, 'burst', NEW.burst, 'over', NEW.over, 'status', NEW.status, 'ban', NEW.ban,
      'shadow', NEW.shadow, 'policy', NEW.policy, 'valid_from', NEW.valid_from, 'valid_until', NEW.valid_until,
      'note', NEW.note) AS new)
    WHERE old <> new;  -- an UPDATE that changes nothing is no change
  DELETE FROM rules_history WHERE id <= (SELECT max(id) FROM rules_history) - 10000;
END;

CREATE TRIGGER rules_history_delete AFTER DELETE ON rules BEGIN
  INSERT INTO rules_history (time, what, rule, old)
    VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 'delete', OLD.id, json_object(
      'id', OLD.id, 'name', OLD.name, 'enabled', OLD.enabled, 'priority', OLD.priority,
      'src', OLD.src, 'method', OLD.method, 'host', OLD.host, 'path', OLD.path, 'match', OLD.match,
      'action', OLD.action, 'requests', OLD.requests, 'period', OLD.period, 'per', OLD.per,
      'algorithm', OLD.algorithm, 'burst', OLD.burst, 'over', OLD.over, 'status', OLD.status, 'ban', OLD.ban,
      'shadow', OLD.shadow, 'policy', OLD.policy, 'valid_from', OLD.valid_from, 'valid_until', OLD.valid_until,
      'note', OLD.note));
  DELETE FROM rules_history WHERE id <= (SELECT max(id) FROM rules_history) - 10000;
END;

COMMIT;
