# The agent hangs. What it has been asked waits until its health check fails, and is served then; what comes after does not
# wait, until the agent is back.
start_stack
rules "INSERT INTO rules(path, action) VALUES ('/secret', 'deny')"
decided() { [ "$(status /secret)" = 403 ]; }
wait_until decided

# 300 requests, 10 at a time. All are served; how many of them asked in vain stands in the log.
flood() {
    local i pid clients=()
    for i in $(seq 10); do
        (for j in $(seq 30); do expect_status 200 /secret; done) &
        clients[i]=$!
    done
    for pid in "${clients[@]}"; do
        wait "$pid" || fail "a client got an error"
    done
}
logged() { [ "$(grep -c '"GET /secret HTTP/1.1" verdict=- ' "$TMP/haproxy.log")" -ge "$1" ]; }
asked() { grep -c '"GET /secret HTTP/1.1" verdict=- .* error=[0-9]*$' "$TMP/haproxy.log"; }

kill -STOP "${PIDS[agent]}"
flood
wait_until logged 300
[ "$(asked)" -ge 1 ] || fail "nobody asked the hung agent: the test tests nothing"
[ "$(asked)" -le 20 ] || fail "$(asked) of 300 requests, 10 at a time, waited for a hung agent"
stat_is agents BACKEND status DOWN || fail "the hung agent is up"
before=$(asked)
flood
wait_until logged 600
[ "$(asked)" = "$before" ] || fail "requests waited for an agent that is known to be down"
kill -CONT "${PIDS[agent]}"
wait_until decided

# An agent that answers its health check and nothing else is late at first, then taken for failed: requests are served again,
# and hardly one of them waits.
stop haproxy
start_haproxy RULES_TIMEOUT=200ms
wait_until decided
admin "disable health agents/agent1" > /dev/null
kill -STOP "${PIDS[agent]}"
answer=$(get /secret)
expect_line "$answer" "HTTP/1.1 503 Service Unavailable"
expect_line "$answer" "retry-after: 1"
expect_line "$answer" "Too many requests at once. Try again in 1 second."
served() { [ "$(status /secret)" = 200 ]; }
wait_until served
: > "$TMP/haproxy.log"
flood
wait_until logged 300
[ "$(asked)" -le 60 ] || fail "$(asked) of 300 requests waited for an agent that does not answer"
# Back: the first request that is decided lets all others be.
kill -CONT "${PIDS[agent]}"
wait_until decided
for i in $(seq 10); do expect_status 403 /secret; done
