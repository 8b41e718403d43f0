# Each argument has a bound. One byte more is refused before the agent is asked; at the bound the rules still decide,
# all arguments at once, whatever else the request is stuffed with.
start_stack
rules "INSERT INTO rules(path, action) VALUES ('/secret/*', 'deny')"

x() { repeat "$1" x; }
host() { echo "$(repeat $(($1 - 4)) h).com"; }

expect_status 403 "/secret/$(x 2040)"
expect_status 414 "/secret/$(x 2041)"
expect_status 414 "/secret/$(x 12000)"
expect_status 403 "/secret/x?$(x 4096)"
expect_status 414 "/secret/x?$(x 4097)"
expect_status 414 "/secret/x?$(x 12000)"
expect_status 403 /secret/x -H "X-Api-Key: $(x 256)"
expect_status 431 /secret/x -H "X-Api-Key: $(x 257)"
expect_status 431 /secret/x -H "X-Api-Key: $(x 9000)"
expect_status 403 /secret/x -H "Host: $(host 255)"
expect_status 400 /secret/x -H "Host: $(host 256)"
expect_status 400 /secret/x -H "Host: $(host 9000)"
expect_status 403 /secret/x -X "$(repeat 32 M)"
expect_status 400 /secret/x -X "$(repeat 33 M)"
expect_status 400 /secret/x -X "$(repeat 9000 M)"
# Slashes that the agent merges count as they come.
expect_status 403 "$(repeat 2039 %2f | sed 's|%2f|/|g')secret/x"
expect_status 414 "$(repeat 2041 %2f | sed 's|%2f|/|g')secret/x"

all=("/secret/$(x 2040)?$(x 4096)" -X "$(repeat 32 M)" -H "Host: $(host 255)" -H "X-Api-Key: $(x 256)")
expect_status 403 "${all[@]}"

# Other headers never switch the rules off: decided, or too large for HAProxy itself.
for size in 1000 4000 7000 8000 8400 12000 15000 15200 15300 15400 16000 17000 40000; do
    code=$(status /secret/x -H "X-Junk: $(x "$size")")
    case $code in 403 | 400 | 431) ;; *) fail "with a header of $size bytes: $code" ;; esac
    code=$(status "${all[@]}" -H "X-Junk: $(x "$size")")
    case $code in 403 | 400 | 431) ;; *) fail "with everything at its bound and a header of $size bytes: $code" ;; esac
done
expect_status 403 /secret/x -H "X-Junk: $(x 15000)"
for count in 50 90 98 99 100 150; do
    headers=()
    for i in $(seq "$count"); do headers+=(-H "X-$i: x"); done
    code=$(status /secret/x "${headers[@]}")
    case $code in 403 | 400 | 431) ;; *) fail "with $count headers: $code" ;; esac
done

# Nothing of this went unasked that got past the bounds, and none of it was an error.
expect_no_line "$(cat "$TMP/haproxy.log")" 'error=[0-9]'
