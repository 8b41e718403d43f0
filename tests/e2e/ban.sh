# A ban: HAProxy refuses the client out of its cache, without asking the agent, for as long as the lease; lifting works.
start_stack RULES_LOG_LEVEL=debug
rules "INSERT INTO rules(id, per, requests, period, ban) VALUES (7, 'src', 2, 60, 300)"

expect_status 200 /items/1
expect_status 200 /items/1
answer=$(get /items/1)
expect_line "$answer" "HTTP/1.1 429 Too Many Requests"
expect_line "$answer" "ratelimit-policy: \"r7\";q=2;w=60"

# Out of the cache, Retry-After is that of the ban, not of the lease.
answer=$(get /items/2)
expect_line "$answer" "HTTP/1.1 429 Too Many Requests"
wait=$(sed -n 's/^retry-after: //p' <<< "$answer")
[ "$wait" -gt 200 ] && [ "$wait" -le 300 ] || fail "Retry-After $wait for a ban of 300 seconds"
expect_line "$answer" "Rate limit exceeded. Try again in $wait seconds."
expect_status 200 /items/1 --interface 127.200.0.2

# 50 refusals, and no message to the agent: neither a verdict nor an error in the log.
for i in $(seq 50); do expect_status 429 /items/1; done
logged() { [ "$(grep -c "^$CLIENT:.* 429 .*\"GET /items/1 HTTP/1.1\" verdict=- rule=- error=-$" "$TMP/haproxy.log")" = 50 ]; }
wait_until logged
# The lease ends within 10 seconds: gpt0 of the entry, in Unix time.
entry=$(admin "show table bans")
until=$(sed -nE "s/.*key=::ffff:$CLIENT .* gpt0=([0-9]+) .*/\1/p" <<< "$entry")
[ -n "$until" ] || fail "no lease for $CLIENT in: $entry"
[ "$until" -le $(($(date +%s) + 10)) ] || fail "a lease until $until at $(date +%s)"

# Lifted: the rule goes, and within the lease the client is served again. Others were never refused.
rules "DELETE FROM rules WHERE id = 7"
served() { [ "$(status /items/1)" = 200 ]; }
wait_until served

# Lifted by hand in HAProxy too, at once; the limit itself goes on.
rules "INSERT INTO rules(id, path, per, requests, period, ban) VALUES (8, '/other/*', 'src', 1, 2, 300)"
expect_status 200 /other/1 --interface 127.200.0.3
expect_status 429 /other/1 --interface 127.200.0.3
admin "show table bans" | grep -qE "key=::ffff:127.200.0.3 " || fail "no ban to lift"
sleep 2.1
rules "UPDATE rules SET ban = NULL WHERE id = 8"
expect_status 429 /other/1 --interface 127.200.0.3
admin "clear table bans key ::ffff:127.200.0.3" > /dev/null
expect_status 200 /other/1 --interface 127.200.0.3
