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
# An HTTP/2 client may give up before it has read the answer, because the stream is reset while it sends.
for path in '/ 413' '/secret 403'; do
    status "${path% *}" --http2-prior-knowledge --data-binary "$(body 1001)" > /dev/null
    logged() { grep -qE " ${path#* } .*\"POST http://$FRONT${path% *} HTTP/2.0\"" "$TMP/haproxy.log"; }
    wait_until logged
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
