# The response cache: what the origin allows is kept, the rules hold for it as well, and nobody gets what is another's.
echo 200 > "$TMP/origin"
start origin python3 "$HERE/told_origin.py" "$ORIGIN" "$TMP/origin"
wait_until listens "$ORIGIN"
start_stack RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$ORIGIN" RULES_CACHE_MB=4 RULES_CACHE_SECONDS=600 RULES_BREAKER_ERRORS=5 RULES_BREAKER_SECONDS=1
rules "INSERT INTO rules(id, path, per, requests, period) VALUES (7, '/limited/*', 'src', 4, 600);
       INSERT INTO rules(path, match, action) VALUES ('/keys/*', '{\"api_key\":\"bad\"}', 'deny');
       INSERT INTO rules(path, per, requests, period, ban) VALUES ('/banned/*', 'src', 1, 600, 600)"
OTHER=(--interface 127.200.0.2)
allowed='?Cache-Control:max-age=600'

number() { curl -s --path-as-is --max-time 120 --interface "$CLIENT" "${@:2}" "http://$FRONT$1"; } # PATH [OPTION...]
same() { # PATH: another client gets the copy
    local first
    first=$(number "$1")
    [ -n "$first" ] && [ "$(number "$1" "${OTHER[@]}")" = "$first" ] || fail "$1 was not kept"
}
apart() { # PATH [OPTION...]: those of the first request, which is its own
    local first
    first=$(number "$@")
    [ -n "$first" ] && [ "$(number "$1" "${OTHER[@]}")" != "$first" ] || fail "another got what was for: $*"
}

# -- what is kept -----------------------------------------------------------------------------------------

same "/a$allowed"
same '/a?Cache-Control:public,%20s-maxage=600'
same "/a$allowed&Vary:Accept-Encoding"
for fields in '' Etag:%22a%22 Cache-Control:public'&'Etag:%22a%22 Cache-Control:private Cache-Control:no-store \
    Cache-Control:no-store,%20public,%20max-age=600 Cache-Control:max-age=600'&'Cache-Control:Private Cache-Control:private=%22x%22,%20max-age=600 \
    Cache-Control:max-age=0 Cache-Control:max-age=600,%20no-cache; do
    apart "/b?$fields"
done
for field in Set-Cookie:a=b RateLimit-Remaining:3 RateLimit:3 X-RateLimit-Reset:3 Retry-After:3 Vary:Cookie Vary:* Vary:X-Api-Key; do
    apart "/c$allowed&$field"
done
apart "/404/a$allowed"

# What is asked for with a name is neither kept nor a copy.
for header in 'Authorization: Bearer a' 'X-Api-Key: a' 'Cookie: a=b'; do
    name=${header%%:*}
    apart "/own/$name$allowed" -H "$header"
    first=$(number "/own/$name$allowed")
    [ "$(number "/own/$name$allowed" -H "$header")" != "$first" ] || fail "a copy for $header"
    [ "$(number "/own/$name$allowed")" = "$first" ] || fail "$header removed the copy"
done
apart "/body/1$allowed" -X GET -d body
apart "/body/2$allowed" -X GET -d body --http2-prior-knowledge
echo body | apart "/body/3$allowed" -X GET -T -
echo body | apart "/body/4$allowed" -X GET -T - --http2-prior-knowledge

# -- which one it is --------------------------------------------------------------------------------------

first=$(number "/query$allowed&x=1")
[ "$(number "/query$allowed&x=2")" != "$first" ] || fail "two queries, one copy"
[ "$(number "/query$allowed&x=1")" = "$first" ] || fail "the query's copy is gone"
[ "$(number "/query$allowed&x=1" -H 'Host: other')" != "$first" ] || fail "two hosts, one copy"

# Each encoding is a copy of its own, and nobody gets one that he has not asked for.
vary="/vary$allowed&Vary:Accept-Encoding&Content-Encoding:gzip"
zipped=$(number "$vary" -H 'Accept-Encoding: gzip')
[ "$(number "$vary" -H 'Accept-Encoding: deflate, gzip' "${OTHER[@]}")" = "$zipped" ] || fail "no copy for gzip"
for accepts in 'Accept-Encoding: identity' 'Accept-Encoding: gzip;q=0' Accept-Encoding:; do
    [ "$(number "$vary" -H "$accepts")" != "$zipped" ] || fail "gzip for '$accepts'"
done

# HEAD gets the head of what GET got, and leaves nothing. A change removes the copy.
seen() { grep -cxF "$1" "$TMP/origin.seen"; }
expect_status 200 "/head$allowed" -I
first=$(number "/head$allowed")
[ -n "$first" ] || fail "the answer of HEAD was kept for GET"
answer=$(get "/head$allowed" -I)
expect_line "$answer" "content-length: $((${#first} + 1))"
[ "$(seen 'HEAD /head')" = 1 ] || fail "HEAD was not answered by the cache"
expect_status 200 "/head$allowed" -X POST -H 'X-Api-Key: a'
[ "$(number "/head$allowed")" != "$first" ] || fail "POST left the copy"

# -- the rules hold ---------------------------------------------------------------------------------------

limited="/limited/1$allowed&Etag:%22v1%22"
expect_line "$(get "$limited")" "ratelimit-remaining: 3"
answer=$(get "$limited" "${OTHER[@]}")
expect_line "$answer" "ratelimit-remaining: 3"
[ "$(grep -c '^ratelimit-remaining' <<< "$answer")" = 1 ] || fail "somebody else's fields: $answer"
answer=$(get "$limited" -H 'If-None-Match: "v1"')
expect_line "$answer" "HTTP/1.1 304 Not Modified"
expect_line "$answer" "ratelimit-remaining: 2"
expect_line "$(get "$limited")" "ratelimit-remaining: 1"
expect_status 200 "$limited"
answer=$(get "$limited")
expect_line "$answer" "HTTP/1.1 429 Too Many Requests"
[ "$(seen 'GET /limited/1')" = 1 ] || fail "the origin was asked again"
expect_status 200 "$limited" "${OTHER[@]}"
# Of a limit's fields, none is left for one whom no rule limits.
rules "DELETE FROM rules WHERE id = 7"
expect_no_line "$(get "$limited")" '^(ratelimit|retry-after)'
[ "$(seen 'GET /limited/1')" = 1 ] || fail "the copy is gone"

expect_status 200 "/banned/1$allowed" --interface 127.200.0.3
expect_status 429 "/banned/1$allowed" --interface 127.200.0.3
expect_status 429 "/limited/1$allowed&Etag:%22v1%22" --interface 127.200.0.3
expect_status 200 "/banned/1$allowed"

# The agent, which leaves them out of the origin's times, knows copies by the LR.
grep -q 'api/<CACHE> ' "$TMP/haproxy.log" || fail "no copies in the log"
expect_no_line "$(grep -F '<CACHE>' "$TMP/haproxy.log" | grep -vF ' LR-- ')" .

# -- without an origin ------------------------------------------------------------------------------------

stop origin KILL
for i in 1 2 3 4 5; do expect_status 503 /gone; done
wait_until stat_is origins BACKEND status DOWN
[ "$(number "/head$allowed")" != "$first" ] || fail "the copy is not that of before"
expect_status 200 "/head$allowed"
for options in '' '-X POST' '-H X-Api-Key:a'; do
    # shellcheck disable=SC2086 # two words
    answer=$(get /gone $options)
    expect_line "$answer" "HTTP/1.1 503 Service Unavailable"
    expect_line "$answer" "retry-after: 1"
done
