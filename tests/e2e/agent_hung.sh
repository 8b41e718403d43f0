# The agent hangs: a handful of requests wait for the processing time-out, then HAProxy stops asking, until it is back.
# First while its health check still passes, as with an agent that shakes hands and decides nothing: the breaker alone
# must do it. Then with the health check.
start_stack RULES_TIMEOUT=200ms
rules "INSERT INTO rules(path, action) VALUES ('/secret', 'deny')"
decided() { [ "$(status /secret)" = 403 ]; }
wait_until decided

# 300 requests, 10 at a time. All are served; how many of them waited stands in the log.
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
waited() { grep -c '"GET /secret HTTP/1.1" verdict=- .* error=1$' "$TMP/haproxy.log"; }

admin "disable health agents/agent1" > /dev/null
kill -STOP "${PIDS[agent]}"
flood
wait_until logged 300
[ "$(waited)" -ge 1 ] || fail "nobody asked the hung agent: the test tests nothing"
[ "$(waited)" -le 60 ] || fail "$(waited) of 300 requests waited for a hung agent"

# Back: the first request that is decided lets all others be.
kill -CONT "${PIDS[agent]}"
wait_until decided
for i in $(seq 10); do expect_status 403 /secret; done

# The check finds out too, and what comes after does not wait at all.
admin "enable health agents/agent1" > /dev/null
kill -STOP "${PIDS[agent]}"
wait_until stat_is agents BACKEND status DOWN
before=$(waited)
flood
wait_until logged 600
[ "$(waited)" = "$before" ] || fail "requests waited for an agent that is known to be down"
kill -CONT "${PIDS[agent]}"
wait_until decided
