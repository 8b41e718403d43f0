# An agent that passes its health check and answers nothing, late, or nonsense, or goes away: clients get their answers, from
# the first on or, where answers may be late, after ten seconds; the breaker sees to it that hardly one of them waits for
# the agent or costs a connection; and limits hold when it is well again.
fake() { # MODE
    rm -f "$TMP/counts"
    start fake python3 "$HERE/fake_agent.py" "$AGENT" "$1" "$TMP/counts"
    wait_until test -s "$TMP/counts"
}
fake answers
start_haproxy RULES_TIMEOUT=200ms RULES_COARSE_REQUESTS=1000000 RULES_FEED=none
decided() { [ "$(status /secret)" = 403 ]; }
served() { [ "$(status /secret)" = 200 ]; }
wait_until decided      # the fake knows how to

# 1,000 requests, 10 at a time: how many got which status.
flood() { h2load --h1 -n 1000 -c 10 "http://$FRONT/secret" | sed -n 's/^status codes: //p'; }

for mode in slow silent garbage truncated other_ids no_actions unknown closes resets; do
    stop fake KILL
    fake "$mode"
    wait_until stat_is agents BACKEND status UP
    case $mode in
    slow | silent | other_ids) wait_until served ;;
    esac
    began=$(date +%s%N)
    questions=0
    # The breaker may be open for as long as a whole flood takes.
    for ((tries = 0; questions == 0 && tries < 100; tries++)); do
        got=$(flood)
        read -r connections questions < "$TMP/counts"
    done
    took_ms=$((($(date +%s%N) - began) / 1000000))
    # Of the burst that it begins with each asks, and asks again where its connection was lost; then about one in 100 ms.
    allowed=$((40 + took_ms / 40))
    [ "$got" = "1000 2xx, 0 3xx, 0 4xx, 0 5xx" ] || fail "$mode: clients got: $got"
    [ "$questions" -ge 1 ] || fail "$mode: nobody asked: the test tests nothing"
    [ "$questions" -le "$allowed" ] || fail "$mode: asked $questions times in $took_ms ms"
    [ "$connections" -le "$allowed" ] || fail "$mode: $connections connections in $took_ms ms"
done

stop fake KILL
start_agent
rules "INSERT INTO rules(path, action) VALUES ('/secret', 'deny')"
wait_until decided
