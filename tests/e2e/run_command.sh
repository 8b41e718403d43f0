# haproxy/run, which `make run` starts: what it prints works as pasted, and it ends in order. In a copy of the checkout, as
# it keeps its files in var/.
mkdir -p "$TMP/tree/build"
cp -r "$ROOT/haproxy" "$ROOT/sql" "$ROOT/rules" "$TMP/tree"
ln -s "$(realpath "$SPOA_RULES")" "$TMP/tree/build/spoa-rules"
program=$(realpath "$(command -v "$HAPROXY")")
# KILL would leave what it started.
trap 'stop command; stop_all' EXIT

begin() {
    : > "$TMP/command.log"
    # A process group that gets SIGINT as a terminal's does: to a background process bash gives it ignored.
    start command env --default-signal=INT setsid env HAPROXY="$program" RULES_BIND="$FRONT" RULES_STATS_BIND="$STATS" RULES_SAMPLE_ORIGIN="$SAMPLE" \
        RULES_AGENT="$AGENT" RULES_FEED="$FEED" RULES_PEER_1="$PEER" "$TMP/tree/haproxy/run"
    wait_until prints 'Ctrl-C ends all of it'
}
prints() { grep -q -- "$1" "$TMP/command.log"; }
child() { # TEXT of its command line
    local pid children
    read -ra children < "/proc/${PIDS[command]}/task/${PIDS[command]}/children"
    for pid in "${children[@]}"; do
        if grep -qa -- "$1" "/proc/$pid/cmdline"; then echo "$pid"; fi
    done
}

ends_with() { # CODE
    local code=0
    wait "${PIDS[command]}" || code=$?
    unset "PIDS[command]"
    [ "$code" = "$1" ] || fail "exit code $code instead of $1: $(cat "$TMP/command.log")"
    ! listens "$FRONT" && ! listens "$AGENT" || fail "something is left"
}

begin
prints "API  *http://$FRONT/ " || fail "not the address in use: $(cat "$TMP/command.log")"
prints "statistics  *http://$STATS/" || fail "not the address in use: $(cat "$TMP/command.log")"
decides() { get / | grep -q '^ratelimit-limit:'; }
wait_until decides
demo=$(sed -n '/INSERT/,/^  for/p' "$TMP/command.log")
answers=$(cd "$TMP/tree" && bash -c "$demo" | paste -sd' ')
[ "$answers" = "200 200 200 200 200 429" ] || fail "the demo printed: $answers"
kill "${PIDS[command]}"
ends_with 0

# Ctrl-C.
begin
kill -INT -- "-${PIDS[command]}"
ends_with 0

# One of the two goes: so does the other, and it says which. The log is of this start.
begin
! grep -q '/items/1' "$TMP/tree/var/haproxy.log" || fail "the log is of an earlier start"
kill -KILL "$(child haproxy.cfg)"
ends_with 1
prints '^HAProxy has ended' || fail "it did not say that HAProxy ended: $(cat "$TMP/command.log")"

begin
kill -KILL "$(child --listen)"
ends_with 1
prints '^The agent has ended' || fail "it did not say that the agent ended: $(cat "$TMP/command.log")"

# A default port that is taken.
listens 127.0.0.1:8404 || { start other socat TCP-LISTEN:8404,bind=127.0.0.1,reuseaddr,fork /dev/null; wait_until listens 127.0.0.1:8404; }
code=0
said=$(env RULES_BIND="$FRONT" RULES_SAMPLE_ORIGIN="$SAMPLE" RULES_AGENT="$AGENT" RULES_FEED="$FEED" RULES_PEER_1="$PEER" timeout 120 "$TMP/tree/haproxy/run" 2>&1) || code=$?
[ "$code" = 1 ] || fail "exit code $code, and: $said"
expect_line "$said" "Port 8404 is taken: end what listens there, or choose another address, such as RULES_STATS_BIND=127.0.0.1:18404"
