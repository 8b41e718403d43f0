# What reaches the origin is what the agent decided about: headers that would say otherwise are gone.
start_origin 'while IFS= read -r line && [ "${#line}" -gt 1 ]; do head+=$line$'"'\n'"'; done
printf "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" "${#head}" "$head"'
start_stack RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN"

answer=$(get '/path?query' -H 'X-Api-Key: K1' -H 'X-Forwarded-For: 192.0.2.1' -H 'Forwarded: for=192.0.2.1' -H 'X-Real-IP: 192.0.2.1' \
    -H 'X-Original-URL: /secret' -H 'X-Rewrite-URL: /secret' -H 'X_Forwarded_For: 192.0.2.1' -H 'Connection: X-Api-Key, X-Forwarded-For')
expect_line "$answer" "HTTP/1.1 200 OK"
expect_line "$answer" "GET /path?query HTTP/1.1"
expect_line "$answer" "x-api-key: K1"
expect_line "$answer" "x-forwarded-for: $CLIENT"
expect_no_line "$answer" '192\.0\.2\.1|/secret|^(forwarded|x-real-ip|connection: x-)'

# Nor do those by which a client would have another method, path, host or address be taken for its own.
others=()
for name in X-HTTP-Method-Override X-HTTP-Method X-Method-Override X-Original-Host X-Override-URL X-Client-IP True-Client-IP \
    X-Cluster-Client-IP CF-Connecting-IP X-Forwarded-{Host,Prefix,Uri,Path,Proto,Protocol,Port,Scheme,Ssl,Server} X-Url-Scheme X-Scheme Front-End-Https; do
    others+=(-H "$name: forged" -H "${name^^}: forged")
done
answer=$(get / "${others[@]}" -H 'X-Forwarded: kept')
expect_line "$answer" "HTTP/1.1 200 OK"
expect_line "$answer" "x-forwarded: kept"
expect_no_line "$answer" 'forged'

# h2c would be a tunnel past the rules.
answer=$(get / -H 'Connection: Upgrade, HTTP2-Settings' -H 'Upgrade: h2c' -H 'HTTP2-Settings: AAMAAABkAAQAAP__')
expect_line "$answer" "HTTP/1.1 200 OK"
expect_no_line "$answer" 'h2c|http2|upgrade'
answer=$(get / -H 'Connection: Upgrade' -H 'Upgrade: websocket, H2C')
expect_no_line "$answer" 'h2c|upgrade'
# WebSocket passes.
answer=$(get / -H 'Connection: keep-alive, X-Api-Key, Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' -H 'Sec-WebSocket-Version: 13')
expect_line "$answer" "upgrade: websocket"
expect_line "$answer" "connection: upgrade"

# A client that wants the connection closed, or kept, gets that.
answer=$(raw 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n')
[ "$(grep -c '^HTTP/1.1 200' <<< "$answer")" = 2 ] || fail "not two answers: $answer"
expect_line "$answer" "GET /2 HTTP/1.1"
answer=$(raw 'GET /1 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\nHost: a\r\n\r\n')
[ "$(grep -c '^HTTP/1.1 200' <<< "$answer")" = 2 ] || fail "not two answers: $answer"

# A proxy of ours may say how the client came.
echo "$CLIENT" > "$TMP/proxies.lst"
stop haproxy
start_haproxy RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN" RULES_TRUSTED_PROXIES="$TMP/proxies.lst"
answer=$(get / -H 'X-Forwarded-Proto: https' -H 'X-Forwarded-Port: 8443')
expect_line "$answer" "x-forwarded-proto: https"
expect_line "$answer" "x-forwarded-port: 8443"
