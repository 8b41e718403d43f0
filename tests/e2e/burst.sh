# Thousands of requests at the same moment, all of which a rule denies: none reaches the origin, whether it is decided in time
# or not, and other clients are served or told to come back later. HTTP/2 streams; HTTP/1.1 connections; with rules that
# take a millisecond each; and while 100,000 rules are taken over.
#
#   BURST="RULES_FAIL_CLOSED=1" tests/e2e/run burst       with other settings of HAProxy than these
# shellcheck disable=SC2086 # several settings
start_stack RULES_COARSE_REQUESTS=1000000000 RULES_LOG="$TMP/nowhere.sock" ${BURST:-}
rules "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')"
ulimit -n "$(ulimit -Hn)"

# Somebody else meanwhile.
others() {
    while [ ! -e "$TMP/stop" ]; do
        status /free --interface 127.200.0.9 >> "$TMP/others"
        echo >> "$TMP/others"
        sleep 0.02
    done
}

burst() { # NAME CLIENTS CONNECTIONS REQUESTS [h1]
    local name=$1 before got others
    shift
    before=$(stat sample_origin FRONTEND req_tot)
    rm -f "$TMP/stop" "$TMP/others"
    others &
    others=$!
    got=$(python3 "$HERE/burst.py" "$FRONT" /denied "$@" 2> "$TMP/times") || fail "$name: $got $(cat "$TMP/times")"
    touch "$TMP/stop"
    wait "$others"
    note "$name: $got; $(cat "$TMP/times"); others: $(sort "$TMP/others" | uniq -c | xargs)"
    grep -qE '(^| )403:' <<< "$got" || fail "$name: none was denied: $got"
    grep -qE '(^| )200:' <<< "$got" && fail "$name: some were not denied: $got"
    got=$(($(stat sample_origin FRONTEND req_tot) - before - $(grep -c 200 "$TMP/others")))
    [ "$got" = 0 ] || fail "$name: the origin saw $got more requests than those of others"
    grep -qvE '^(200|503)$' "$TMP/others" && fail "$name: others got $(sort -u "$TMP/others" | xargs)"
    [ "$(stat agents agent1 chkdown)" = 0 ] || fail "$name: the agent was taken for failed"
}

burst '4 clients' 4 10 100
burst '20 clients' 20 10 100
burst '200 clients, HTTP/1.1' 200 10 2 h1

sql "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
    INSERT INTO rules(name, path, per, requests, period) SELECT 'many', '/many/' || i, 'src', 10, 60 FROM n" &
sql=$!
burst '4 clients, 100,000 rules' 4 10 100
wait "$sql" || fail "the rules were not inserted"
burst '20 clients, 100,000 rules' 20 10 100

rules "DELETE FROM rules WHERE name = 'many'; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO rules(priority, name, path, action) SELECT 50, 'slow', '~(a|b)+x' || i || '(c|d)*y[0-9]+\$', 'allow' FROM n"
burst '4 clients, slow rules' 4 10 100
