# Clients by TLS, with HTTP/2 where they can: the rules hold, and the origin is told.
make_authority ours
make_certificate ours front api.example.com
start_origin 'while IFS= read -r line && [ "${#line}" -gt 1 ]; do head+=$line$'"'\n'"'; done
printf "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" "${#head}" "$head"'
TLS=$ADDR:18443
start_stack RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN" RULES_BIND_2="$TLS ssl crt $TMP/front.pem alpn h2,http/1.1"
rules "INSERT INTO rules(path, action) VALUES ('/secret', 'deny')"

tls() { # PATH [curl option...]
    curl -s -i --max-time 120 --interface "$CLIENT" --cacert "$TMP/ours.crt" --connect-to "api.example.com:443:$TLS" \
        "${@:2}" "https://api.example.com$1" | tr -d '\r'
}
expect_line "$(tls /secret --http1.1)" "HTTP/1.1 403 Forbidden"
grep -q '^HTTP/2 403' <<< "$(tls /secret --http2)" || fail "no HTTP/2: $(tls /secret --http2)"
for version in --http1.1 --http2; do
    answer=$(tls / "$version" -H 'X-Forwarded-Proto: forged')
    expect_line "$answer" "x-forwarded-proto: https"
    expect_line "$answer" "x-forwarded-for: $CLIENT"
    expect_no_line "$answer" forged
done
expect_no_line "$(get / -H 'X-Forwarded-Proto: https')" x-forwarded-proto

# On the first address alone.
stop haproxy
start_haproxy RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN" RULES_BIND="$TLS ssl crt $TMP/front.pem alpn h2,http/1.1"
up() { stat_is agents agent1 status UP; }
wait_until up
grep -q '^HTTP/2 403' <<< "$(tls /secret)" || fail "RULES_BIND with TLS: $(tls /secret)"
