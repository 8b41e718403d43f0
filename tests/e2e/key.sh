# The key header: once, whole, in plain characters, under no other name. Else one key could be counted as many.
start_origin 'while IFS= read -r line && [ "${#line}" -gt 1 ]; do head+=$line; done
printf "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" "${#head}" "$head"'
start_stack RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN"
rules "INSERT INTO rules(match, path, action, status) VALUES ('{\"api_key\":\"K1\"}', '/k', 'deny', 410);
       INSERT INTO rules(path, per, requests, period) VALUES ('/per', 'api_key', 1, 600)"

key() { raw "GET /k HTTP/1.1\r\nHost: a\r\nConnection: close\r\n$1\r\n\r\n"; }
code() { key "$1" | awk 'NR == 1 { print $2 }'; }
is() { local got; got=$(code "$2"); [ "$got" = "$1" ] || fail "$2 gave $got instead of $1"; }

is 410 'X-Api-Key: K1'
is 410 'x-API-kEY:K1'
is 410 'X-Api-Key: \t K1 \t'
is 410 'X-Api-Key:\r\n K1'
is 200 'X-Api-Key: K2'
is 200 'X-Other: K1'
is 400 'X-Api-Key: K1\r\nX-Api-Key: K2'
is 400 'X-Api-Key: K2\r\nx-api-key: K1'
is 400 'X-Api-Key: K1\r\nX-Api-Key: K1'
is 400 'X-Api-Key: K1\r\nX-Api-Key:'
is 400 'X-Api-Key: K1, K2'
is 400 'X-Api-Key: K1,'
is 400 'X-Api-Key: K1 x'
is 400 'X-Api-Key: K1\001'
is 400 'X-Api-Key: K1\t2'
is 400 'X-Api-Key: K1\000'
is 400 'X-Api-Key: K1\377'

# Names that an origin may read as that one do not get there.
for name in X_Api_Key X-Api_Key x_api_key 'X.Api.Key' "X-Api-Key'"; do
    answer=$(key "$name: K1")
    expect_line "$answer" "HTTP/1.1 200 OK"
    expect_no_line "$answer" 'K1'
done

# Each key has its counter.
expect_status 200 /per -H 'X-Api-Key: A'
expect_status 200 /per -H 'X-Api-Key: B'
expect_status 429 /per -H 'X-Api-Key: A' --interface 127.200.0.2
expect_status 429 /per -H 'X-Api-Key: B'
