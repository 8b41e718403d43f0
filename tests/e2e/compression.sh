# Compression: of the types that are named, for those who can read it, and of nothing that is compressed or must stay as it is.
echo 200 > "$TMP/origin"
start origin python3 "$HERE/told_origin.py" "$ORIGIN" "$TMP/origin"
wait_until listens "$ORIGIN"
settings=(RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN" RULES_CACHE_MB=4)
start_stack "${settings[@]}" RULES_COMPRESS="application/json text/plain"
gzip=(-H 'Accept-Encoding: gzip')
json='&Content-Type:application/json&bytes=4000'

head_of() { curl -s -o "$TMP/got" -D - --max-time 120 --interface "$CLIENT" "${@:2}" "http://$FRONT$1" | tr -d '\r'; } # PATH [OPTION...]
compressed() { # PATH [OPTION...]
    answer=$(head_of "$1" "${gzip[@]}" "${@:2}")
    expect_line "$answer" "content-encoding: gzip"
    expect_line "$answer" "vary: Accept-Encoding"
    [ "$(gzip -dc < "$TMP/got" | wc -c)" -gt 4000 ] || fail "not 4000 bytes: $1"
    [ "$(wc -c < "$TMP/got")" -lt 400 ] || fail "as long as before: $1"
}
as_it_is() { # PATH [OPTION...]
    answer=$(head_of "$@")
    [ "$(wc -c < "$TMP/got")" -gt 4000 ] || fail "compressed: $*: $answer"
}

compressed "/a?$json"
compressed "/b?Content-Type:text/plain;%20charset=utf-8&bytes=4000"
# An ETag says from then on that the bytes may differ.
compressed "/c?$json&Etag:%22v1%22"
expect_line "$answer" 'etag: W/"v1"'

as_it_is "/a?$json"
as_it_is "/a?$json" -H 'Accept-Encoding: br'
as_it_is "/a?$json" -H 'Accept-Encoding: gzip;q=0'
as_it_is "/d?Content-Type:image/png&bytes=4000" "${gzip[@]}"
as_it_is "/e?$json&Cache-Control:no-transform" "${gzip[@]}"
as_it_is "/f?$json&Content-Encoding:br" "${gzip[@]}"
expect_line "$answer" "content-encoding: br"

# One copy in the cache for both, in either order; its validator finds it again.
for order in '' plain; do
    path="/g$order?Cache-Control:max-age=60&Etag:%22v1%22$json"
    [ -z "$order" ] || as_it_is "$path"
    compressed "$path"
    first=$(gzip -dc < "$TMP/got")
    as_it_is "$path"
    [ "$(cat "$TMP/got")" = "$first" ] || fail "two copies"
    compressed "$path"
    expect_line "$(get "$path" "${gzip[@]}" -H 'If-None-Match: W/"v1"')" "HTTP/1.1 304 Not Modified"
    [ "$(grep -cxF "GET /g$order" "$TMP/origin.seen")" = 1 ] || fail "not out of the cache"
done

# HAProxy has a least size from 3.2 on.
stop haproxy
start_haproxy "${settings[@]}" RULES_CACHE_MB=0 RULES_COMPRESS="application/json text/plain"
wait_until asks
compressed "/a?$json"
case $("$HAPROXY" -v) in
*'version 2.'* | *'version 3.0'* | *'version 3.1'*) ;;
*) expect_no_line "$(head_of '/small?Content-Type:application/json&bytes=500' "${gzip[@]}")" '^content-encoding' ;;
esac

stop haproxy
start_haproxy "${settings[@]}"
wait_until asks
as_it_is "/a?$json" "${gzip[@]}"
