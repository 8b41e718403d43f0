# The verdict `slow`: such requests wait for each other, are answered 200, and nobody else notices.
start_origin '
read -r method path rest
while IFS= read -r line && [ "${#line}" -gt 1 ]; do :; done
echo "$path" >> '"$TMP"'/seen
while [ "$path" = /slow/held ] && [ ! -e '"$TMP"'/go ]; do sleep 0.05; done
printf "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"'
start_stack RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN" RULES_SLOW_MAXCONN=1 RULES_SLOW_QUEUE=2
rules "INSERT INTO rules(path, per, requests, period, over) VALUES ('/slow/*', 'src', 1, 600, 'slow')"

expect_status 200 /slow/first           # uses up the limit
expect_status 200 /slow/second          # slowed, alone: nothing to wait for

reached() { grep -qx "$1" "$TMP/seen"; }
status /slow/held > "$TMP/held" &
held=$!
wait_until reached /slow/held
status /slow/queued > "$TMP/queued" &
queued=$!
wait_until stat_is slow_origins BACKEND qcur 1

# Meanwhile everybody else is served, the same client elsewhere and another client on the same path.
expect_status 200 /free
expect_status 200 /slow/other --interface 127.200.0.2
reached /slow/queued && fail "two slowed requests at the origin at a time"

# A full lane refuses instead of filling the front end.
status /slow/third > "$TMP/third" &
third=$!
wait_until stat_is slow_origins BACKEND qcur 2
answer=$(get /slow/too-many)
expect_line "$answer" "HTTP/1.1 503 Service Unavailable"
expect_line "$answer" "retry-after: 10"

touch "$TMP/go"
wait "$held" "$queued" "$third"
for name in held queued third; do
    [ "$(cat "$TMP/$name")" = 200 ] || fail "the slowed request $name got $(cat "$TMP/$name")"
done

# One client alone does not fill the lane.
rm "$TMP/go"
: > "$TMP/seen"
stop haproxy
start_haproxy RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN" RULES_SLOW_CLIENT=2
wait_until asks
status /slow/held > "$TMP/held" &
held=$!
wait_until reached /slow/held
status /slow/queued > "$TMP/queued" &
queued=$!
wait_until stat_is slow_origins BACKEND qcur 1
expect_line "$(get /slow/third)" "HTTP/1.1 503 Service Unavailable"
status /slow/other --interface 127.200.0.2 > "$TMP/other" &
other=$!
wait_until stat_is slow_origins BACKEND qcur 2
touch "$TMP/go"
wait "$held" "$queued" "$other"
for name in held queued other; do
    [ "$(cat "$TMP/$name")" = 200 ] || fail "the slowed request $name got $(cat "$TMP/$name")"
done
# What was refused does not stay in the count.
expect_status 200 /slow/third
