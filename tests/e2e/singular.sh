# "1 second", not "1 seconds": the last second of a limit, of a ban, of the coarse limit.
start_stack RULES_COARSE_REQUESTS=30 RULES_COARSE_SECONDS=1
rules "INSERT INTO rules(path, requests, period, algorithm) VALUES ('/one', 1, 1, 'fixed')"

# A window of one second may end between two requests: then ask again.
refused() {
    get /one > /dev/null
    answer=$(get /one)
    grep -q '^HTTP/1.1 429' <<< "$answer"
}
wait_until refused
expect_line "$answer" "retry-after: 1"
expect_line "$answer" "Rate limit exceeded. Try again in 1 second."

# All on one connection, so that they come within a second. If they do not: again.
coarse() {
    answer=$(get '/two?[1-60]')
    grep -q '^HTTP/1.1 429' <<< "$answer"
}
wait_until coarse
expect_line "$answer" "retry-after: 1"
expect_line "$answer" "Rate limit exceeded. Try again in 1 second."
