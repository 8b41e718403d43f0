# Load, while the agent is killed ten times, stopped for five seconds and upgraded five times: no client gets an error,
# and limits hold again afterwards. Prints how many requests nobody decided about.
#
#   UPHEAVAL_SECONDS=60 tests/e2e/run upheaval            about as long as that; by default 25, with as many events
#   UPHEAVAL_EVENTS='upgrade upgrade' tests/e2e/run …     others than these: what does one of them cost?
seconds=${UPHEAVAL_SECONDS:-25}
read -ra events <<< "${UPHEAVAL_EVENTS:-kill upgrade kill kill upgrade kill kill upgrade stop kill kill upgrade kill kill upgrade kill}"

keep_agent
# The access log would be most of the work.
start_haproxy RULES_TIMEOUT=2s RULES_COARSE_REQUESTS=1000000000 RULES_LOG="$TMP/nowhere.sock"
wait_until asks
rules "INSERT INTO rules(path, action) VALUES ('/denied', 'deny');
       INSERT INTO rules(path, requests, period) VALUES ('/limited', 100, 1), ('/free', 1000000000, 1)"
decided() { [ "$(status /denied)" = 403 ]; }
wait_until decided

# Until it is told to end, below.
start load wrk -t 1 -c 32 -d 1000 --timeout 60s -s "$HERE/upheaval.lua" "http://$FRONT/"

# Ends it with a signal; the next one runs when this returns.
end_agent() { # SIGNAL
    ended=$(< "$TMP/agent.pid")
    kill "-$1" "$ended"
    wait_until another
}
another() { [ "$(< "$TMP/agent.pid")" != "$ended" ]; }

# The five seconds of the stop and one at the end are not shared out.
pause=$(awk "BEGIN { print ($seconds - 6) / ${#events[@]} }")
began=$SECONDS
for event in "${events[@]}"; do
    case $event in
    kill) end_agent KILL ;;
    upgrade) end_agent TERM ;;
    stop)
        kill -STOP "$(< "$TMP/agent.pid")"
        sleep 5
        kill -CONT "$(< "$TMP/agent.pid")"
        ;;
    esac
    sleep "$pause"
done
wait_until decided
sleep 1
kill -INT "${PIDS[load]}" || fail "the load ended before the events did: $(cat "$TMP/load.log")"
wait "${PIDS[load]}" || fail "wrk: $(cat "$TMP/load.log")"

counted=$(grep '^requests=' "$TMP/load.log") || fail "wrk: $(cat "$TMP/load.log")"
declare -A count
for pair in $counted; do
    count[${pair%%=*}]=${pair#*=}
done
[ "${count[wrong]}" = 0 ] && [ "${count[errors]}" = 0 ] || fail "clients saw errors: $(cat "$TMP/load.log")"
[ "${count[decided]}" -gt 0 ] || fail "nothing was decided: $(cat "$TMP/load.log")"
note "$((SECONDS - began)) s, ${#events[@]} events: ${count[undecided]} of ${count[requests]} requests undecided, 0 errors"
