# HAProxy is reloaded while clients keep their connections, are in the middle of their headers, or have HTTP/2 streams: each
# request is decided, and the origin is there for it. Fail open and closed. Clients that stay are ended by force after three
# seconds.
#
#   RELOADS=10 tests/e2e/run front_kept       more reloads than these, half of them with each setting
reloads=${RELOADS:-4}
sed 's/hard-stop-after .*/hard-stop-after 3s/' "$HAPROXY_CFG" > "$TMP/haproxy.cfg"

worker() { admin "show info" | sed -n 's/^Pid: //p'; }
named() { before=$(worker) && [ -n "$before" ]; }
gone() { ! kill -0 "$before" 2> /dev/null; }
another() { now=$(worker) && [ -n "$now" ] && [ "$now" != "$before" ]; }

for closed in 0 1; do
    HAPROXY_MODE=-W HAPROXY_CFG=$TMP/haproxy.cfg start_stack RULES_DIR="$ROOT/haproxy" RULES_FAIL_CLOSED="$closed" RULES_COARSE_REQUESTS=1000000
    [ "$closed" = 1 ] || rules "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')"
    rm -f "$TMP/stop"
    start clients python3 "$HERE/kept.py" "$FRONT" "$TMP/stop" 6
    for ((i = 0; i < (reloads + 1) / 2; i++)); do
        wait_until named
        kill -USR2 "${PIDS[haproxy]}"
        wait_until another
        wait_until gone
    done
    touch "$TMP/stop"
    wait "${PIDS[clients]}" || fail "RULES_FAIL_CLOSED=$closed: $(tail -n 3 "$TMP/clients.log")"
    unset "PIDS[clients]"
    note "RULES_FAIL_CLOSED=$closed, $i reloads: $(tail -n 1 "$TMP/clients.log")"
    for kind in kept halves streams deaf; do
        grep -q "$kind=" "$TMP/clients.log" || fail "no client of the kind $kind was answered: the test tests nothing"
    done
    stop haproxy
    stop agent      # writes what it counted
    undecided=$(sqlite3 "$TMP/analytics.db" "SELECT sum(undecided) FROM daily_summary")
    [ "$undecided" = 0 ] || fail "RULES_FAIL_CLOSED=$closed: undecided: $undecided"
done
