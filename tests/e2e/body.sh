# How long a body may be: by what the request says of it.
start_stack RULES_MAX_BODY=1000
rules "INSERT INTO rules(path, action) VALUES ('/secret', 'deny')"
body() { repeat "$1" x > "$TMP/body"; echo "@$TMP/body"; }

for version in --http1.1 --http2-prior-knowledge; do
    expect_status 200 / "$version" --data-binary "$(body 1000)"
done
answer=$(get / --data-binary "$(body 1001)")
grep -q "^HTTP/1.1 413 " <<< "$answer" || fail "1001 bytes gave: $answer"
expect_line "$answer" "The body is too large: 1000 bytes at most."
# The rules come first.
expect_status 403 /secret --data-binary "$(body 1001)"
# Over HTTP/2 a short body is waited for, because clients may discard an answer whose stream is reset while they send.
late() { python3 "$HERE/late_body.py" "$FRONT" "${LATE_CLIENT:-$CLIENT}" "$@"; } # PATH SIZE
for wanted in '403 /secret 5' '403 /secret 8192' '413 / 1001' '200 / 1000' '400 /a/../b 5' '400 /a%5cb 5'; do
    read -r wanted path size <<< "$wanted"
    got=$(late "$path" "$size")
    [ "$got" = "$wanted" ] || fail "$path with $size bytes that come late gave: $got"
done
expect_status 413 / --http2-prior-knowledge --data-binary "$(body 1001)"
expect_status 403 /secret --http2-prior-knowledge --data-binary "$(body 1001)"
# A ban too.
rules "INSERT INTO rules(path, per, requests, period, ban) VALUES ('/few', 'src', 1, 600, 600)"
for wanted in 200 429 429; do
    got=$(LATE_CLIENT=127.200.0.9 late /few 5)
    [ "$got" = "$wanted" ] || fail "/few with a body that comes late gave: $got"
done
expect_status 413 / --data-binary "$(body 200000)" -X PUT
expect_raw 413 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n'

# One that does not say its length passes, unless that is switched off.
chunked='POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
unsized() { nghttp -v --no-content-length -d "$TMP/body" "http://$FRONT/" | sed -nE 's/.*:status: ([0-9]+).*/\1/p'; }
body 100 > /dev/null
expect_raw 200 "$chunked"
[ "$(unsized)" = 200 ] || fail "HTTP/2 without a length gave $(unsized)"
stop haproxy
start_haproxy RULES_MAX_BODY=1000 RULES_CHUNKED=0 RULES_HEADER_TIMEOUT=2s
wait_until asks
expect_raw 411 "$chunked"
[ "$(unsized)" = 411 ] || fail "HTTP/2 without a length gave $(unsized)"
for version in --http1.1 --http2-prior-knowledge; do
    expect_status 200 / "$version"
    expect_status 200 / "$version" --data-binary "$(body 1000)"
    expect_status 200 / "$version" -X POST
done
expect_raw 411 "${chunked/POST/GET}"
# Also one that is still to come.
late=$(printf "${chunked%%3\\r*}" | socat -T 60 STDIO,ignoreeof "TCP:$FRONT,bind=$CLIENT" | awk 'NR == 1 { print $2 }')
[ "$late" = 408 ] || fail "a body that does not come gave ${late:-nothing}"

stop haproxy
start_haproxy RULES_MAX_BODY=none
wait_until asks
expect_status 200 / --data-binary "$(body 1001)"
