# The coarse limits of HAProxy's own: a client's requests, errors and requests at a time, whatever the rules allow.
start_origin '
read -r method path rest
while IFS= read -r line && [ "${#line}" -gt 1 ]; do :; done
echo "$path" >> '"$TMP"'/seen
code="200 OK"
case $path in
/missing/*) code="404 Not Found" ;;
/held/*) until [ -e '"$TMP"'/go ]; do sleep 0.05; done ;;
esac
printf "HTTP/1.1 $code\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"'

DENIED=0
denied() { # TIMES: so many requests that a coarse limit has refused
    DENIED=$((DENIED + $1))
    feed_has() { [ "$(sqlite3 -readonly "$TMP/analytics.db" 'SELECT sum(coarse_denied) FROM daily_summary' 2> /dev/null)" = "$DENIED" ]; }
    wait_until feed_has
}

# -- errors, and requests at a time -----------------------------------------------------------------------
start_stack RULES_ORIGIN="$ORIGIN" RULES_COARSE_ERRORS=5 RULES_COARSE_AT_ONCE=2 RULES_COARSE_SECONDS=60
rules "INSERT INTO rules(path, action) VALUES ('/forbidden', 'deny')"

# Six answers 404 of the origin are one too many; what HAProxy or the agent refuses is no error.
for i in $(seq 10); do
    expect_status 403 /forbidden
    expect_status 400 /x/../y
done
for i in $(seq 6); do expect_status 404 "/missing/$i"; done
answer=$(get /there)
expect_line "$answer" "HTTP/1.1 429 Too Many Requests"
expect_line "$answer" "retry-after: 60"
expect_status 200 /there --interface 127.200.0.2
denied 1

# Two requests at a time; the third would have come through to the origin.
reached() { grep -qx "$1" "$TMP/seen"; }
for i in 1 2; do
    status "/held/$i" --interface 127.200.0.3 > "$TMP/held$i" &
    held[i]=$!
    wait_until reached "/held/$i"
done
answer=$(get /there --interface 127.200.0.3)
expect_line "$answer" "HTTP/1.1 429 Too Many Requests"
expect_line "$answer" "retry-after: 1"
expect_line "$answer" "Rate limit exceeded. Try again in 1 second."
expect_status 200 /there --interface 127.200.0.2
touch "$TMP/go"
for i in 1 2; do
    wait "${held[i]}"
    [ "$(cat "$TMP/held$i")" = 200 ] || fail "/held/$i got $(cat "$TMP/held$i")"
done
denied 1
expect_status 200 /there --interface 127.200.0.3

# A client that had too many errors and never stops asking is served again.
stop haproxy
start_haproxy RULES_ORIGIN="$ORIGIN" RULES_COARSE_ERRORS=5 RULES_COARSE_REQUESTS=1000000 RULES_COARSE_SECONDS=2
wait_until asks
# All on one connection, so that six come within two seconds.
refused() { grep -q "^HTTP/1.1 429 " <<< "$(get "/missing/[1-10]")"; }
served() { [ "$(status /there)" = 200 ]; }
wait_until refused
wait_until served

# -- requests ---------------------------------------------------------------------------------------------
stop haproxy
start_haproxy RULES_COARSE_REQUESTS=20 RULES_COARSE_SECONDS=60 RULES_BIND="$FRONT,[::1]:$PORT6" RULES_LOG_LEVEL=debug
wait_until asks

for i in $(seq 20); do expect_status 200 "/$i"; done
answer=$(get /21)
expect_line "$answer" "HTTP/1.1 429 Too Many Requests"
expect_line "$answer" "retry-after: 60"
expect_line "$answer" "Rate limit exceeded. Try again in 60 seconds."
# It never gets to the agent.
logged() { grep -q '"GET /21 HTTP/1.1" verdict=- rule=- error=-$' "$TMP/haproxy.log"; }
wait_until logged

# Another client has its own, and requests that are refused for other reasons count as well.
for i in $(seq 20); do expect_status 400 /x/../y --interface 127.200.0.2; done
expect_status 429 /x --interface 127.200.0.2

# It stands without the agent.
stop agent KILL
wait_until stat_is agents BACKEND status DOWN
for i in $(seq 20); do expect_status 200 "/$i" --interface 127.200.0.3; done
expect_status 429 /21 --interface 127.200.0.3

# A flood is not logged, unless it is asked for.
stop haproxy
: > "$TMP/haproxy.log"
start_haproxy RULES_COARSE_REQUESTS=20 RULES_COARSE_SECONDS=60
for i in $(seq 20); do expect_status 200 "/$i"; done
expect_status 429 /21
expect_status 200 /last --interface 127.200.0.4
last_logged() { grep -q '"GET /last HTTP/1.1"' "$TMP/haproxy.log"; }
wait_until last_logged
grep -q '"GET /20 HTTP/1.1"' "$TMP/haproxy.log" || fail "what is not refused is not logged"
! grep -q '"GET /21 HTTP/1.1"' "$TMP/haproxy.log" || fail "what the coarse limit refuses is logged"
