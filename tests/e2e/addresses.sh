# Who the client is: IPv6 by its /64, X-Forwarded-For only from trusted proxies, anew for each request of a connection.
cat > "$TMP/trusted" << 'LST'
# The front proxies.
127.210.0.0/24
192.0.2.0/24
LST
proxy=(--interface 127.210.0.1)
start_stack RULES_BIND="$FRONT,[::1]:$PORT6" RULES_TRUSTED_PROXIES="$TMP/trusted"
rules "INSERT INTO rules(src, path, action, status) VALUES ('203.0.113.7', '/who', 'deny', 410), ('2001:db8::/64', '/who', 'deny', 421),
                                                           ('::1', '/who', 'deny', 404), ('198.51.100.1', '/who', 'deny', 401)"

# Not from a stranger, and the origin sees who it was.
expect_status 200 /who -H "X-Forwarded-For: 203.0.113.7"
expect_line "$(get /who -H "X-Forwarded-For: 203.0.113.7")" "X-Forwarded-For: $CLIENT"

# From a trusted one: the last address, in each of its spellings.
expect_status 410 /who "${proxy[@]}" -H "X-Forwarded-For: 203.0.113.7"
expect_status 410 /who "${proxy[@]}" -H "X-Forwarded-For: ::ffff:203.0.113.7"
expect_status 410 /who "${proxy[@]}" -H "X-Forwarded-For: ::ffff:cb00:7107"
expect_status 410 /who "${proxy[@]}" -H "X-Forwarded-For: 198.51.100.1, 203.0.113.7"
expect_status 410 /who "${proxy[@]}" -H "X-Forwarded-For: 198.51.100.1" -H "X-Forwarded-For: 203.0.113.7"
expect_status 421 /who "${proxy[@]}" -H "X-Forwarded-For: 2001:db8::1:2"
# To the origin and in the log too.
expect_line "$(get /x "${proxy[@]}" -H "X-Forwarded-For: ::ffff:203.0.113.9")" "X-Forwarded-For: 203.0.113.9"
# An IPv6 address that has an IPv4 one in it (6to4, NAT64) stays what it is.
expect_line "$(get /x "${proxy[@]}" -H "X-Forwarded-For: 2002:cb00:7107::1")" "X-Forwarded-For: 2002:cb00:7107::1"
expect_line "$(get /x "${proxy[@]}" -H "X-Forwarded-For: 64:ff9b::cb00:7107")" "X-Forwarded-For: 64:ff9b::cb00:7107"
expect_line "$(get /x "${proxy[@]}" -H "X-Forwarded-For: 198.51.100.1, 203.0.113.9")" "X-Forwarded-For: 203.0.113.9"

# Through two and three of them, but never past the first stranger.
expect_status 410 /who "${proxy[@]}" -H "X-Forwarded-For: 198.51.100.1, 203.0.113.7, 192.0.2.1"
expect_status 410 /who "${proxy[@]}" -H "X-Forwarded-For: 198.51.100.1, 203.0.113.7, 192.0.2.2, 192.0.2.1"
expect_status 200 /who "${proxy[@]}" -H "X-Forwarded-For: 198.51.100.1, 203.0.113.8, 192.0.2.1"

# As gateways write them: with a port, in brackets, in quotes, with a zone, with blanks.
for form in 203.0.113.7:4711 '"203.0.113.7:4711"' '"203.0.113.7"' '[::ffff:203.0.113.7]:4711' '::ffff:203.0.113.7:4711' '[::ffff:cb00:7107]' \
    '::FFFF:203.0.113.7' '198.51.100.1:1 , 	203.0.113.7:2 	' '"[2001:db8:1::1]:1","203.0.113.7:2"' 'unknown, 203.0.113.7' \
    '"", 203.0.113.7'; do
    expect_status 410 /who "${proxy[@]}" -H "X-Forwarded-For: $form"
done
for form in '[2001:db8::5]:443' '[2001:db8::5]' '"[2001:db8::5]:443"' '"[2001:db8::5]"' '"2001:db8::5"' 2001:DB8::5 '[2001:db8::5%eth0]:443' \
    2001:db8::5%eth0 '[2001:db8::5%25eth0]' '198.51.100.1:1, "[2001:db8::5]:443"' '[2001:db8:0:0:0:0:0:5]:443'; do
    expect_status 421 /who "${proxy[@]}" -H "X-Forwarded-For: $form"
    expect_line "$(get /x "${proxy[@]}" -H "X-Forwarded-For: $form")" "X-Forwarded-For: 2001:db8::5"
done
expect_status 404 /who "${proxy[@]}" -H "X-Forwarded-For: [::1]:80"
expect_status 410 /who "${proxy[@]}" -H 'X-Forwarded-For: "' -H "X-Forwarded-For: 203.0.113.7"
# From each proxy of ours.
expect_status 410 /who "${proxy[@]}" -H 'X-Forwarded-For: 198.51.100.1:1, "203.0.113.7:2", [::ffff:192.0.2.2]:3, "192.0.2.1:4"'
expect_status 421 /who "${proxy[@]}" -H 'X-Forwarded-For: 198.51.100.1, "[2001:db8::5]:443", 192.0.2.1:80'

# No address where one should be: refused, never the proxy itself, and nothing that stands before it, which the client may have
# written. Not counted as the proxy either: its other clients would be refused for it.
coarse_of() { admin "show table coarse" | sed -n "s/.*key=::ffff:$1 .*http_req_rate([0-9]*)=\([0-9]*\).*/\1/p"; }
before=$(coarse_of 127.210.0.1)
for form in unknown '203.0.113.7, unknown' '203.0.113.7, _hidden:80' '203.0.113.7, garbage, 192.0.2.1' '203.0.113.7, ' '""' '"' \
    '", 203.0.113.7' '203.0.113.7, "' '", "[2001:db8::5]:443"' '[203.0.113.7' '203.0.113.7]' '203.0.113.7 203.0.113.7' 203.0.113.7:http \
    203.0.113 203.0.113.256 '[2001:db8::5]443' '[[2001:db8::5]]' '2001:db8:0:0:0:0:0:5:443' 'for=203.0.113.7' '1.2.3.4, 203.0.113.7, x, 192.0.2.2, 192.0.2.1'; do
    expect_status 400 /who "${proxy[@]}" -H "X-Forwarded-For: $form"
done
expect_status 400 /who "${proxy[@]}" -H "X-Forwarded-For;"
expect_status 400 /who "${proxy[@]}" -H "X-Forwarded-For: 203.0.113.7" -H "X-Forwarded-For;"
expect_line "$(get /who "${proxy[@]}" -H "X-Forwarded-For: unknown")" "X-Forwarded-For: the client's entry is not an IP address."
[ "$(coarse_of 127.210.0.1)" = "$before" ] || fail "what names no client is counted as the proxy"
# Strangers may write what they like, and a proxy that names nobody is the client.
expect_status 200 /who -H "X-Forwarded-For: unknown"
expect_status 200 /who "${proxy[@]}"
expect_status 200 /who "${proxy[@]}" -H "X-Forwarded-For: 192.0.2.1"

# Two clients on one connection from a proxy, then a request without the header.
three=$(RAW_CLIENT=127.210.0.1 raw 'GET /who HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\nGET /who HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\nGET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
[ "$(grep -c '^HTTP/1.1 410' <<< "$three")" = 1 ] || fail "on one connection: $three"
expect_line "$three" "X-Forwarded-For: 203.0.113.9"
expect_line "$three" "X-Forwarded-For: 127.210.0.1"

# IPv6 itself, and a limit by its /64.
listens "::1:$PORT6" || fail "no IPv6 on this machine"
six=$(curl -s -o /dev/null -w '%{http_code}' "http://[::1]:$PORT6/who")
[ "$six" = 404 ] || fail "::1 got $six instead of 404"
rules "INSERT INTO rules(path, per, requests, period) VALUES ('/six', 'src', 2, 600)"
expect_status 200 /six "${proxy[@]}" -H "X-Forwarded-For: 2001:db8:1:1::1"
expect_status 200 /six "${proxy[@]}" -H "X-Forwarded-For: 2001:db8:1:1:ffff::2"
expect_status 429 /six "${proxy[@]}" -H "X-Forwarded-For: 2001:db8:1:1::3"
expect_status 200 /six "${proxy[@]}" -H "X-Forwarded-For: 2001:db8:1:2::1"
# The log has the real one.
logged() { grep -q '^2001:db8:1:2::1:.* "GET /six HTTP/1.1"' "$TMP/haproxy.log"; }
wait_until logged
