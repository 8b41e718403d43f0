# The agent is not there when HAProxy starts; it comes, is killed and comes back: meanwhile everybody is served, nobody
# waits for it, and hardly a connection to it is tried; afterwards limits hold.
start_haproxy RULES_TIMEOUT=1s
connections() { stat agents agent1 stot; }
waited() { grep -c ' error=1$' "$TMP/haproxy.log"; }

for i in $(seq 30); do
    expect_status 200 /secret
done
# HAProxy 2.6 lets requests wait for the time-out, up to the breaker; 3.0 tries a thousand connections a second for each thread, until
# the health check has failed.
most=$((2500 * $(nproc)))
[ "$(waited)" -le 6 ] || fail "$(waited) requests waited for an agent that never was"
[ "$(connections)" -le "$most" ] || fail "$(connections) connections to an agent that never was"

start_agent
wait_until asks
rules "INSERT INTO rules(path, action) VALUES ('/secret', 'deny');
       INSERT INTO rules(path, per, requests, period) VALUES ('/items/*', 'src', 3, 600)"
expect_status 403 /secret
expect_status 200 /items/1

before=$(connections)
waited_before=$(waited)
stop agent KILL
for i in $(seq 30); do
    expect_status 200 /secret
done
[ $(($(waited) - waited_before)) -le 6 ] || fail "$(($(waited) - waited_before)) requests waited for an agent that is gone"
[ $(($(connections) - before)) -le "$most" ] || fail "$(($(connections) - before)) connections to an agent that is gone"
wait_until stat_is agents BACKEND status DOWN
answer=$(get /items/1)
expect_line "$answer" "HTTP/1.1 200 OK"
expect_no_line "$answer" '^ratelimit'

start_agent
wait_until in_force
expect_status 403 /secret
# Whether the agent remembers the first one depends on its version; three at most pass in any case.
for i in 1 2 3; do status /items/1 > /dev/null; done
expect_status 429 /items/1
