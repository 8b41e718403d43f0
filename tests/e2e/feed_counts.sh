# The log feed: 100,000 requests of every outcome, mixed, and each in the columns of analytics.db where it belongs.
start origin python3 "$HERE/feed_origin.py" "$ORIGIN"
wait_until listens "$ORIGIN"
# Nothing asks before the rules are there, and the test sends nothing but what it counts.
sqlite3 "$RULES_DB" < "$ROOT/sql/rules.sql"
sql "INSERT INTO rules(name, path, action) VALUES ('forbidden', '/forbidden/*', 'deny');
     INSERT INTO rules(name, path, per, requests, period) VALUES ('limited', '/limited/*', 'src', 5, 600);
     INSERT INTO rules(name, path, per, requests, period, ban) VALUES ('banned', '/banned/*', 'src', 5, 600, 600);
     INSERT INTO rules(name, path, per, requests, period, over) VALUES ('slow', '/slow/*', 'src', 5, 600, 'slow')"
# shellcheck disable=SC2119
start_agent --log-level debug
start_haproxy RULES_ORIGIN="$ORIGIN" RULES_COARSE_REQUESTS=1000 RULES_COARSE_SECONDS=600 RULES_TIMEOUT=10s
wait_until stat_is agents BACKEND status UP

# -- requests --------------------------------------------------------------------------------------------

WANTED=$TMP/wanted
client() { python3 "$HERE/feed_client.py" "$FRONT" "$@" >> "$WANTED" || fail "the client of: $*"; }
also() { printf "%s|$1\n" "${@:2}" >> "$WANTED"; } # NUMBER NAME...
forbidden() { # NUMBER
    also "$1" responses requests denied status_4xx refused_4xx 'rule forbidden matched' 'rule forbidden denied' \
        '/forbidden/1 requests' '/forbidden/1 denied'
}

# HTTP/2 meanwhile. Its client asks for one after the other.
h2load -n 900 -c 3 -m 20 "http://$FRONT/ok/1" "http://$FRONT/404/1" "http://$FRONT/forbidden/1" > "$TMP/h2load" &
h2load=$!
client 127.210 ok=50800 204=1000 302=4000 304=4000 404=6000 410=1000 500=4000 forbidden=8000 limited=6000 refused=1000 \
    broken=300 slow=400 banned=4500 coarse=6000 invalid=300 cut=300 endless=300
wait "$h2load"
grep -qF 'status codes: 300 2xx, 0 3xx, 600 4xx, 0 5xx' "$TMP/h2load" || fail "HTTP/2: $(cat "$TMP/h2load")"
also 300 responses requests allowed status_2xx 'rule  matched' 'rule  allowed' '/ok/1 requests'
also 300 responses requests allowed status_4xx not_found origin_4xx origin_404 'rule  matched' 'rule  allowed' '/404/1 requests'
forbidden 300

# The agent away: lines wait in HAProxy for the next one. Some requests come before HAProxy knows.
stop agent
client 127.211 undecided=500 refused=20
# A health check that failed before the agent was back would have HAProxy ask nobody for a moment, in the middle of what follows.
wait_until stat_is agents BACKEND status DOWN
start_agent --log-level debug
wait_until stat_is agents BACKEND status UP
decided() {
    case $(status /forbidden/1) in
    403) forbidden 1 ;;
    200) also 1 responses undecided status_2xx; return 1 ;;
    *) fail "neither forbidden nor undecided" ;;
    esac
}
# By each thread of HAProxy: one that connected too often while the agent was away may ask again in a second.
all_decided() { local i; for i in $(seq 20); do decided || return 1; done; }
wait_until all_decided

# The origin away: some find nobody there, and some come when HAProxy knows.
stop origin KILL
client 127.212 originless=250 forbidden=180
admin "set server origins/origin1 health down" > /dev/null
client 127.213 shut=250 refused=20

# -- counts ----------------------------------------------------------------------------------------------

# Names that stand there more than once are one.
totals() {
    awk -F'|' '{ n[$1] += $2 } END { for (name in n) if (n[name] > 0) print name "|" n[name] }' | LC_ALL=C sort
}
# No client can know how HAProxy counts bytes.
echo "bytes|$(stat api FRONTEND bout)" >> "$WANTED"
totals < "$WANTED" > "$WANTED.totals"
responses=$(sed -n 's/^responses|//p' "$WANTED.totals")
[ "$responses" -gt 100000 ] || fail "only $responses requests"

# Not before the last line was there: when the agent stops, it stays with HAProxy. But not for ever.
analytics() { sqlite3 -batch -cmd '.timeout 60000' "$TMP/analytics.db"; }
for _ in $(seq 2000); do
    [ "$(analytics <<< 'SELECT sum(responses) FROM daily_summary')" != "$responses" ] || break
    sleep 0.05
done
stop agent
stop haproxy

sums() { # VIEW NAME[=EXPRESSION]...: of all its rows
    local column
    for column in "${@:2}"; do
        analytics <<< "SELECT '${column%%=*}', sum(${column#*=}) FROM $1"
    done
}
expect_totals() { # WHAT PATTERN COMMAND...: what the command prints is what was wanted of such names
    local difference
    difference=$(diff <(grep -E "^($2)\|" "$WANTED.totals") <("${@:3}" | totals)) ||
        fail "$1: wanted <, found > $difference"
}

columns=(requests allowed slowed denied responses coarse_denied ban_denied undecided
    status_1xx status_2xx status_3xx status_4xx status_5xx status_other not_found bytes
    aborted origin_errors origin_4xx origin_404 origin_5xx refused_4xx refused_5xx)
refused=refused='responses - requests - coarse_denied - ban_denied - undecided'
for view in daily_summary hourly_summary; do
    expect_totals "$view" "$(IFS='|'; echo "${columns[*]}")|refused" sums "$view" "${columns[@]}" "$refused"
done
for column in matched allowed slowed denied; do
    expect_totals daily_rules "rule .* $column" \
        analytics <<< "SELECT 'rule ' || name || ' $column', $column FROM daily_rules"
done
for column in requests denied; do
    expect_totals daily_paths "/.* $column" analytics <<< "SELECT path || ' $column', $column FROM daily_paths"
done
expect_totals denials denied analytics <<< "SELECT 'denied', count(*) FROM denials
    UNION ALL SELECT 'denied', sum(denials_left_out) FROM days"
disagree=$(analytics < "$ROOT/sql/questions/totals_agree.sql")
[ -z "$disagree" ] || fail "totals disagree: $disagree"
! grep -qE 'line skipped|skipped: [1-9]' "$TMP/agent.log" || fail "the agent skipped a line"
