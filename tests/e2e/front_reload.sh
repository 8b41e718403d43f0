# A reload of HAProxy keeps bans and coarse counts: the new process has them from the old one.
HAPROXY_MODE=-W start_stack RULES_COARSE_REQUESTS=30 RULES_COARSE_SECONDS=600
rules "INSERT INTO rules(id, path, per, requests, period, ban) VALUES (7, '/login', 'src', 1, 60, 300)"

BANNED=127.200.0.2
expect_status 200 /login --interface "$BANNED"
expect_status 429 /login --interface "$BANNED"
for i in $(seq 30); do expect_status 200 /items/1; done
expect_status 429 /items/1

entry() { admin "show table $1" | sed -nE "s/.*key=::ffff:$2 .* (gpt0|http_req_rate)/\1/p"; }
worker() { admin "show info" | sed -n 's/^Pid: //p'; }
lease=$(entry bans "$BANNED")
[ -n "$lease" ] || fail "no ban to keep"

# HAProxy 2.6 hands nothing over in the first five seconds after a start, in which it waits for a process before it.
settled() { ! admin "show peers" | grep -q 'resync_timeout=[0-9]'; }
wait_until settled
before=$(worker)
kill -USR2 "${PIDS[haproxy]}"
reloaded() { local now; now=$(worker); [ -n "$now" ] && [ "$now" != "$before" ]; }
wait_until reloaded
kept() { [ "$(entry bans "$BANNED")" = "$lease" ] && [ -n "$(entry coarse "$CLIENT")" ]; }
wait_until kept
expect_status 429 /items/1
