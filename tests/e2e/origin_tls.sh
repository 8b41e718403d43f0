# An origin with TLS: HAProxy says whom it wants, checks the certificate, and sends nothing to one that has another name or is
# vouched for by others. The health check and the slow lane do the same.
make_authority ours
make_authority theirs
make_certificate ours right api.example.com
make_certificate ours other other.example.com
make_certificate theirs forged api.example.com

# Another origin takes the place of the one before.
origin_with() { # CERTIFICATE
    stop origin
    : > "$TMP/seen"
    start origin python3 "$HERE/tls_origin.py" "$ORIGIN" "$TMP/$1.pem" "$TMP/seen"
    wait_until listens "$ORIGIN"
}
origin_with right
settings=(RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN" RULES_ORIGIN_TLS=api.example.com RULES_BREAKER_SECONDS=1)
start_stack "${settings[@]}" RULES_ORIGIN_CA="$TMP/ours.crt"
rules "INSERT INTO rules(path, per, requests, period, over) VALUES ('/slow', 'src', 1, 600, 'slow')"
checked() { grep -qx '/ api.example.com' "$TMP/seen"; }
wait_until checked
stat_is origins origin1 status UP || fail "the origin is $(stat origins origin1 status)"
expect_line "$(get /a)" "/a api.example.com"
# Whatever host the client asks for.
expect_line "$(get /b -H 'Host: other.example.com')" "/b api.example.com"
for i in 1 2; do expect_line "$(get /slow)" "/slow api.example.com"; done
stat_is slow_origins origin1 stot 1 || fail "not slowed"

# Neither another name, nor the same name by another authority, nor ours where the system's are asked. A request that comes
# before the first check has failed is refused as well.
refused() { # CERTIFICATE [SETTING...]
    origin_with "$1"
    stop haproxy
    start_haproxy "${settings[@]}" "${@:2}"
    expect_status 503 /a
    wait_until stat_is origins origin1 status DOWN
    expect_status 503 /a
    [ ! -s "$TMP/seen" ] || fail "with $*, the origin got: $(cat "$TMP/seen")"
}
refused other RULES_ORIGIN_CA="$TMP/ours.crt"
refused forged RULES_ORIGIN_CA="$TMP/ours.crt"
refused right
