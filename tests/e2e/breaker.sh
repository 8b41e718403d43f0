# The origin's circuit breaker. With RULES_BREAKER_CONFIRM=0 it opens after exactly 5 failures in a row, refuses without asking the
# origin, is closed by a check that succeeds; a bad origin among several is taken out, and only without any is there a refusal.
# As it comes, only checks that fail open it.
SECOND=$ADDR:18083
start_one() { # NAME ADDRESS
    touch "$TMP/$1.seen"
    start "$1" python3 "$HERE/told_origin.py" "$2" "$TMP/$1"
    wait_until listens "$2"
}
is() { echo "$2" > "$TMP/$1.new" && mv "$TMP/$1.new" "$TMP/$1"; } # NAME MODE
asked() { grep -cv '^GET /check$' "$TMP/$1.seen"; }
checked() { grep -c '^GET /check$' "$TMP/$1.seen"; }
state_is() { case $(stat origins "$1" status) in "$2"*) ;; *) false ;; esac; } # SERVER STATE
# Until then no answer but these two comes.
until_gives() { # STATUS BEFORE PATH
    local got
    until got=$(status "$3"); [ "$got" = "$1" ]; do
        [ "$got" = "$2" ] || fail "$3 gave $got before $1"
        sleep 0.05
    done
}

is origin 200
is second 200
start_one origin "$ORIGIN"
settings=(RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN" RULES_CHECK_PATH=/check RULES_BREAKER_ERRORS=5 RULES_BREAKER_SECONDS=1
    RULES_ORIGIN_TIMEOUT=2s)
start_stack "${settings[@]}" RULES_BREAKER_CONFIRM=0
rules "INSERT INTO rules(path, per, requests, period) VALUES ('/limited', 'src', 3, 600);
       INSERT INTO rules(path, per, requests, period, over) VALUES ('/slow', 'src', 1, 600, 'slow')"
expect_status 200 /slow

# -- what counts ------------------------------------------------------------------------------------------

# Neither the client's errors nor what the origin does not know how to do.
for kind in 404 501 404 501 404 501; do expect_status "$kind" "/$kind/a"; done

# All at once, since each may take as long as the origin may be silent.
at_once() { # NUMBER STATUS PATH
    local i pids=()
    for i in $(seq "$1"); do
        status "$3" > "$TMP/status.$i" &
        pids+=($!)
    done
    wait "${pids[@]}"
    for i in $(seq "$1"); do
        [ "$(cat "$TMP/status.$i")" = "$2" ] || fail "$3 gave $(cat "$TMP/status.$i") instead of $2"
    done
}
one_by_one() { # NUMBER STATUS PATH
    local i
    for i in $(seq "$1"); do expect_status "$2" "$3"; done
}

fails() { # MODE STATUS [at_once]
    local mode=$1 wanted=$2 how=${3:-one_by_one} i before checks answer
    is origin "$mode"
    [ "$mode" != refused ] || stop origin KILL
    "$how" 4 "$wanted" "/$mode"
    is origin 200
    [ "$mode" != refused ] || start_one origin "$ORIGIN"
    expect_status 200 /between
    state_is origin1 UP || fail "$mode: open after 4 failures"
    is origin "$mode"
    [ "$mode" != refused ] || stop origin KILL
    "$how" 5 "$wanted" "/$mode"

    before=$(asked origin)
    checks=$(checked origin)
    answer=$(get /limited)
    expect_line "$answer" "HTTP/1.1 503 Service Unavailable"
    expect_line "$answer" "retry-after: 1"
    for i in 1 2 3 4 5; do expect_status 503 /limited; done
    expect_status 503 /slow
    [ "$mode" = refused ] && start_one origin "$ORIGIN" && is origin 503
    # The probe is one check, and this one fails.
    probed() { [ "$(checked origin)" -gt "$checks" ]; }
    wait_until probed
    for i in 1 2 3 4 5; do expect_status 503 /limited; done
    [ "$(asked origin)" = "$before" ] || fail "$mode: the origin was asked while the breaker was open"
    is origin 200
    until_gives 200 503 /after
}
fails 500 500
fails garbage 502
fails reset 502
fails hang 504 at_once
fails refused 503
# None of those refusals used up anything.
expect_line "$(get /limited)" "ratelimit-remaining: 2"
expect_status 200 /slow

# -- several ----------------------------------------------------------------------------------------------

stop haproxy
start_one second "$SECOND"
start_haproxy "${settings[@]}" RULES_BREAKER_CONFIRM=0 RULES_ORIGIN_2="$SECOND"
wait_until asks
# All are checked at the start, and not again soon.
first_check() { [ "$(checked second)" = 1 ]; }
wait_until first_check
wait_until state_is origin2 UP
# One that only fails in its answers is out after 5 of them, and back after a check that succeeds.
before=$(asked second)
is second 500
failed=0
for i in $(seq 40); do [ "$(status /both)" = 200 ] || failed=$((failed + 1)); done
[ "$failed" = 5 ] && [ "$(asked second)" = $((before + 5)) ] ||
    fail "$failed requests failed of $(($(asked second) - before)) at the second origin"
state_is origin2 DOWN || fail "the second origin is not taken out"
is second 200
again() { expect_status 200 /both && [ "$(asked second)" -gt $((before + 5)) ]; }
wait_until again
# One where nobody listens is noticed by no client.
stop second KILL
for i in $(seq 20); do expect_status 200 /both; done
wait_until state_is origin2 DOWN
# Now none is left.
is origin 503
for i in 1 2 3 4 5; do expect_status 503 /none; done
before=$(asked origin)
expect_line "$(get /none)" "retry-after: 1"
expect_status 503 /none
[ "$(asked origin)" = "$before" ] || fail "the last origin was asked while its breaker was open"
is origin 200
until_gives 200 503 /after

# -- as it comes ------------------------------------------------------------------------------------------

# What always fails opens nothing where the check says that the origin is well. More failures than checks that would notice.
stop haproxy
OWN_BREAKER=1 start_haproxy "${settings[@]}"
wait_until asks
checks=$(checked origin)
confirmed() {
    expect_status 500 /500/a && expect_status 502 /garbage/a && expect_status 502 /reset/a && expect_status 500 /500/a &&
        [ "$(checked origin)" -gt $((checks + 2)) ]
}
wait_until confirmed
expect_status 200 /
state_is origin1 UP || fail "open though the check succeeds"
# Where the check fails, too, it opens.
is origin 500
opens() { [ "$(get / | grep -c '^retry-after: 1$')" = 1 ]; }
wait_until opens
is origin 200
until_gives 200 503 /after
