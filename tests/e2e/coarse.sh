# The coarse limit of HAProxy's own: a client's requests, whatever they are and whatever the rules allow.
start_stack RULES_COARSE_REQUESTS=20 RULES_COARSE_SECONDS=60 RULES_BIND="$FRONT,[::1]:$PORT6" RULES_LOG_LEVEL=debug

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
