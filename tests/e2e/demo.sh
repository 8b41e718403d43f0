# haproxy/demo, which `make demo` starts, in its quick mode: what it says is what happened, and nothing is left of it.
# It writes nothing into the checkout: its files are in a directory in TMPDIR.
mkdir "$TMP/demo"
# KILL would leave what it started.
trap 'stop demo; stop_all' EXIT

begin() {
    : > "$TMP/demo.log"
    start demo env HAPROXY="$(command -v "$HAPROXY")" SPOA_RULES="$(realpath "$SPOA_RULES")" TMPDIR="$TMP/demo" \
        "$ROOT/haproxy/demo" "$@"
}
says() { grep -qE -- "$1" "$TMP/demo.log"; }
nothing_left() { # no file; nobody listens, nor runs with files there
    [ -z "$(ls -A "$TMP/demo")" ] || fail "files are left: $(ls "$TMP/demo")"
    local listener
    for listener in "$@"; do
        ! listens "$listener" || fail "something listens at $listener"
    done
    ! grep -lqa -- "$TMP/demo/" /proc/[0-9]*/cmdline 2> /dev/null || fail "a process is left"
}
address() { sed -nE 's|^Rate limits at work at http://([0-9.:]+),.*|\1|p' "$TMP/demo.log"; }

begin --quick
code=0
wait "${PIDS[demo]}" || code=$?
unset "PIDS[demo]"
[ "$code" = 0 ] || fail "exit code $code"
nothing_left "$(address)"
says 'greedy has had its 12' || fail "the greedy client was not refused"
says 'guesser is banned' || fail "nobody was banned"
says 'HAProxy refuses guesser by itself' || fail "the ban cache did not take over"
says 'by the new limit, [0-9.]+ s after the commit' || fail "the changed rule was not in force"

# client, answers, 200, 429, other, decided by the agent, refused by HAProxy alone.
table=$(sed -n '/^What came of it/,$p' "$TMP/demo.log")
declare -A recorded=()
while read -r name count; do
    recorded[$name]=$count
done < <(sed -n 's/^ *what the agent has in its analytics: //p' <<< "$table" | tr , '\n')
for name in steady greedy guesser; do
    read -r answers ok over other decided alone < <(sed -nE "s/^ *$name +([0-9 ]+)$/\1/p" <<< "$table")
    [ "$answers" = $((ok + over + other)) ] && [ "$other" = 0 ] || fail "$name: $answers answers are not $ok + $over"
    # One request may have been on its way when the client was stopped.
    [ $((decided + alone - answers)) = 0 ] || [ $((decided + alone - answers)) = 1 ] || fail "$name: $answers, but $decided and $alone"
    [ "${recorded[$name]}" = "$decided" ] || fail "$name: the agent recorded ${recorded[$name]}, HAProxy logged $decided"
    case $name in
    steady) [ "$over" = 0 ] && [ "$alone" = 0 ] || fail "steady was refused" ;;
    greedy) [ "$over" -ge 10 ] && [ "$alone" = 0 ] || fail "greedy was refused $over times, $alone by HAProxy alone" ;;
    guesser) [ "$ok" = 5 ] && [ "$alone" -ge 10 ] && [ "$decided" -ge 6 ] || fail "guesser: $ok x 200, $alone by HAProxy alone" ;;
    esac
done

# Ended in the middle, and with the agent gone. Its two TCP ports, for clients and the log feed, are on the address that it named:
# what else runs on this machine is not in its way.
begin
wait_until says 'greedy has had its 30'
read -ra children < "/proc/${PIDS[demo]}/task/${PIDS[demo]}/children"
listening=$(for child in "${children[@]}"; do ss -Hltnp | grep "pid=$child,"; done | awk '{ print $4 }' | sort -u)
here=$(address)
[ "$(grep -c "^${here%:*}:" <<< "$listening")" = 2 ] && [ "$(wc -l <<< "$listening")" = 2 ] || fail "it listens at: $listening"
grep -qxF "$here" <<< "$listening" || fail "it does not listen at $here"
kill "${PIDS[demo]}"
code=0
wait "${PIDS[demo]}" || code=$?
[ "$code" = 143 ] || fail "exit code $code after SIGTERM"
# shellcheck disable=SC2086 # words
nothing_left $listening

begin
wait_until says 'steady and greedy arrive'
read -ra children < "/proc/${PIDS[demo]}/task/${PIDS[demo]}/children"
for child in "${children[@]}"; do
    if grep -qa -- --log-listen "/proc/$child/cmdline"; then kill -KILL "$child"; fi
done
code=0
wait "${PIDS[demo]}" || code=$?
[ "$code" = 1 ] && says 'agent has ended' || fail "exit code $code after the agent's end"
nothing_left "$(address)"
