# A WebSocket lives as long as it says something within RULES_TUNNEL_TIMEOUT, over HTTP/1.1 and over HTTP/2 (RFC 8441).
start origin python3 "$HERE/websocket.py" serve "$ORIGIN"
wait_until listens "$ORIGIN"
settings=(RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN" RULES_CLIENT_TIMEOUT=2s RULES_ORIGIN_TIMEOUT=2s RULES_IDLE_TIMEOUT=2s)
start_stack "${settings[@]}"
rules "INSERT INTO rules(path, match, action) VALUES ('/socket', '{\"api_key\":\"bad\"}', 'deny');
       INSERT INTO rules(path, match, requests, period, over) VALUES ('/socket', '{\"api_key\":\"slow\"}', 1, 3600, 'slow')"
echoes() { python3 "$HERE/websocket.py" "$1" "$FRONT" "$CLIENT" "$2" "${@:3}" 2>&1 | paste -sd' '; } # echo1|echo2 SECONDS [FIELD...]
expect_echoes() { # WANTED echo1|echo2 SECONDS [FIELD...]
    local got
    got=$(echoes "${@:2}")
    [ "$got" = "$1" ] || fail "${*:2} gave: $got"
}

# Silent for longer than each of the other timeouts.
both() { # ECHOES SECONDS
    echoes echo1 "$2" > "$TMP/one" &
    local one=$!
    echoes echo2 "$2" > "$TMP/two"
    wait "$one"
    [ "$(cat "$TMP/one")" = "101 $1" ] && [ "$(cat "$TMP/two")" = "200 $1" ] ||
        fail "over HTTP/1.1: $(cat "$TMP/one"); over HTTP/2: $(cat "$TMP/two")"
}
both "before after" 5
# The rules hold for the request that opens it. One that is to be slowed would hold its place in the slow lane as long as it lives.
expect_echoes 403 echo1 0 "X-Api-Key: bad"
expect_echoes 403 echo2 0 "X-Api-Key: bad"
expect_echoes "101 before after" echo1 0 "X-Api-Key: slow"
expect_echoes 503 echo1 0 "X-Api-Key: slow"
expect_echoes 503 echo2 0 "X-Api-Key: slow"
expect_status 200 /socket -H "X-Api-Key: slow"

# But not for ever.
stop haproxy
start_haproxy "${settings[@]}" RULES_TUNNEL_TIMEOUT=3s
wait_until asks
both "before ended" 8
