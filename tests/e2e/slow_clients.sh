# Clients that take their time: each is let go after the timeout that is meant for it, and how many connections one may
# hold meanwhile is bounded.
start_origin 'read -r method path rest
while IFS= read -r line && [ "${#line}" -gt 1 ]; do
    case ${line,,} in
    content-length:*) length=${line#*: } length=${length%?} ;;
    transfer-encoding:*) length=1000000 ;;
    esac
done
echo "$path" >> '"$TMP"'/seen
[ -z "${length:-}" ] || head -c "$length" > /dev/null
printf "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"'
settings=(RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN")
start_stack "${settings[@]}" RULES_HEADER_TIMEOUT=1s RULES_CLIENT_TIMEOUT=1s RULES_ORIGIN_TIMEOUT=3s RULES_IDLE_TIMEOUT=1s \
    RULES_BREAKER_ERRORS=5

# What HAProxy says to a client that sends this and then waits until it is told to go.
patient() { printf "$1" | socat -T 60 STDIO,ignoreeof "TCP:$FRONT,bind=$CLIENT" | tr -d '\r'; }
# In the middle of the headers.
answer=$(patient 'GET /headers HTTP/1.1\r\nHost: x\r\nX-Slow: ')
expect_line "$answer" "HTTP/1.1 408 Request Time-out"
# In the middle of a short body, of which the origin hears nothing.
answer=$(patient 'POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc')
expect_line "$answer" "HTTP/1.1 408 Request Time-out"
! grep -qx /short "$TMP/seen" || fail "the origin was asked with half a body"
# In the middle of a long one: the origin, which has its beginning, is let go as well.
answer=$(patient "POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\nabc")
grep -qE '^HTTP/1.1 (400|408|504)' <<< "$answer" || fail "half a body got: $answer"
grep -qx /long "$TMP/seen" || fail "a long body was held back"
nothing_left() { ! admin "show sess" | grep -qF "fe=api "; }
wait_until nothing_left
# Nor does it take the origin from others, however many do it: in HAProxy 2.6 that looks like an origin that is silent.
mkfifo "$TMP/mute"
long=$(repeat 9000 a)
for i in 1 2 3 4 5 6; do
    patient "POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\nabc" > /dev/null &
    stopped+=($!)
    patient "POST /long HTTP/1.1\r\nHost: x\r\nX-Long: $long\r\nContent-Length: 8000\r\n\r\n$(repeat 7000 b)" > /dev/null &
    stopped+=($!)
    patient "POST /long HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" > /dev/null &
    stopped+=($!)
    curl -s -o "$TMP/stopped.$i" --http2-prior-knowledge --max-time 120 --interface "$CLIENT" -T - "http://$FRONT/long" <> "$TMP/mute" &
    stopped+=($!)
    curl -s -o "$TMP/stopped.$i" -X GET --http2-prior-knowledge --max-time 120 --interface "$CLIENT" -T - "http://$FRONT/long" < <(echo abc; sleep 10) &
    stopped+=($!)
done
wait "${stopped[@]}"
[ "$(stat origins origin1 status)" = UP ] || fail "clients that stop opened the breaker"
# Between two requests: no error, only the end.
answer=$(patient 'GET /idle HTTP/1.1\r\nHost: x\r\n\r\n')
expect_line "$answer" "HTTP/1.1 200 OK"
[ "$(grep -c '^HTTP/' <<< "$answer")" = 1 ] || fail "more than one answer: $answer"

# -- connections ------------------------------------------------------------------------------------------
stop haproxy
start_haproxy "${settings[@]}" RULES_CLIENT_CONNECTIONS=3 RULES_HEADER_TIMEOUT=60s RULES_BIND="$FRONT,[::]:$PORT6 v4v6"
wait_until asks

hold() { # NAME ADDRESS FROM: a connection that says nothing
    start "$1" socat "TCP:$2,bind=$3" "PIPE:$TMP/$1.pipe"
}
open_is() { admin "show table connections" | grep -qE "key=$1 .*conn_cur=$2$"; }
for i in 1 2 3; do hold "c$i" "$FRONT" "$CLIENT"; done
wait_until open_is "::ffff:$CLIENT" 3
[ "$(status /)" = 000 ] || fail "a fourth connection is served"
expect_status 200 / --interface 127.200.0.2
[ "$(stat api FRONTEND dcon)" -ge 1 ] || fail "refused connections are not counted"
stop c1
wait_until open_is "::ffff:$CLIENT" 2
expect_status 200 /
# An IPv4 client by way of an IPv6 socket is the same client; IPv6 ones count by network.
hold c4 "127.0.0.1:$PORT6" "$CLIENT"
wait_until open_is "::ffff:$CLIENT" 3
hold c5 "[::1]:$PORT6" "[::1]"
# From 3.0 on, ::1 is taken for 0.0.0.1.
wait_until open_is "(::|::ffff:0\.0\.0\.1)" 1

# Those of a proxy of ours are of many clients.
stop haproxy
echo "$CLIENT" > "$TMP/proxies.lst"
start_haproxy "${settings[@]}" RULES_CLIENT_CONNECTIONS=3 RULES_HEADER_TIMEOUT=60s RULES_TRUSTED_PROXIES="$TMP/proxies.lst"
wait_until asks
for i in 1 2 3 4 5; do hold "c$i" "$FRONT" "$CLIENT"; done
held() { [ "$(stat api FRONTEND scur)" -ge 5 ]; }
wait_until held
expect_status 200 /
