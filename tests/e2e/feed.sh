# The log feed: each request is one line, which says how it went and who settled it, and nobody can forge one. A recorder
# stands between HAProxy and the agent, which must count each line that it got.
RECORD=$TMP/feed
RECORDER=$ADDR:19012
: > "$RECORD"
start recorder python3 "$HERE/feed_recorder.py" "$RECORDER" "$FEED" "$RECORD"
wait_until listens "$RECORDER"

start_origin 'read -r method path version
while IFS= read -r line && [ "$line" != $'"'\r'"' ]; do :; done
body() { printf "HTTP/1.1 $1\r\nContent-Length: ${3:-${#2}}\r\nConnection: close\r\n\r\n%s" "$2"; }
case $path in
/healthz | /) body "200 OK" "" ;;
*/404) body "404 Not Found" none ;;
*/500) body "500 Internal Server Error" broken ;;
*/garbage) echo garbage ;;
*/pause) sleep 0.3; body "200 OK" late ;;
*/endless) body "200 OK" part 1000; for i in $(seq 60); do printf more; sleep 0.1; done ;;
*/socket) printf "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    printf "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"; sleep 0.5 ;;
*/events) printf "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"; sleep 0.5; printf "data: 2\n\n" ;;
*/upload) sleep 5 ;;
*) body "200 OK" hello ;;
esac'
# shellcheck disable=SC2119
start_agent --log-level debug
start_haproxy RULES_FEED="$RECORDER" RULES_ORIGIN="$ORIGIN" RULES_COARSE_REQUESTS=100 RULES_COARSE_SECONDS=600
wait_until asks
rules "INSERT INTO rules(id, path, action) VALUES (103, '/forbidden/*', 'deny');
       INSERT INTO rules(id, path, per, requests, period) VALUES (104, '/limited/*', 'src', 1, 600);
       INSERT INTO rules(id, path, per, requests, period, ban) VALUES (105, '/banned/*', 'src', 1, 600, 600);
       INSERT INTO rules(id, path, per, requests, period, over) VALUES (106, '/slow/*', 'src', 1, 600, 'slow')"
mark=$(wc -l < "$RECORD")

# -- what a line says -------------------------------------------------------------------------------------

# The structured data of the only line whose part for people ends in this request; waits for it.
recorded() { # REQUEST
    local pattern="\"$1 HTTP/1.1\" verdict="
    has() { [ "$(grep -cF -- "$pattern" "$RECORD")" -ge 1 ]; }
    wait_until has
    [ "$(grep -cF -- "$pattern" "$RECORD")" = 1 ] || fail "not one line of: $1"
    line=$(grep -F -- "$pattern" "$RECORD" | sed -E 's/^<134>1 [^ ]+ [^ ]+ haproxy [0-9]+ - (\[[^]]*\]) .*/\1/')
}
REQUESTS=0
# shellcheck disable=SC2154 # line is set by recorded
expect() { # STATUS PATH "WORDS of the line" [curl option...]
    local word
    REQUESTS=$((REQUESTS + 1))
    expect_status "$1" "$2" "${@:4}"
    recorded "GET $2"
    for word in status=\"$1\" $3; do
        case $line in *[\ \[]"$word"[\ \]]*) ;; *) fail "no $word for $2 in: $line" ;; esac
    done
    case $line in *"time=\"$(date -u +%d/%b/%Y:%H:)"* | *"time=\"$(date -u -d '-1 minute' +%d/%b/%Y:%H:)"*) ;; *) fail "another hour: $line" ;; esac
}
plain='end="--" refused="-" error="-" stream="-"'
local_answer='end="LR" tc="-1" tr="-1" refused="-" error="-" stream="-"'
ms() { sed -nE "s/.* $1=\"(-?[0-9]+)\".*/\1/p" <<< "$line"; }

expect 200 /a/1 "$plain verdict=\"allow\" path=\"%2Fa%2F1\""
[ "$(ms bytes)" -gt 50 ] || fail "bytes: $line"
asked=$(ms asked)
[ "$asked" -gt 1700000000000 ] && [ "$asked" -le "$(date +%s%3N)" ] || fail "asked: $line"
expect 404 /a/404 "$plain verdict=\"allow\""
expect 500 /a/500 "$plain verdict=\"allow\""
expect 200 /a/pause "$plain verdict=\"allow\""
[ "$(ms tc)" -ge 0 ] && [ "$(ms tr)" -ge 300 ] && [ "$(ms ta)" -ge "$(ms tr)" ] && [ "$(ms ta)" -lt 100000 ] || fail "times: $line"
expect 403 /forbidden/1 "$local_answer verdict=\"deny\""
expect 200 /limited/1 "$plain verdict=\"allow\""
expect 429 /limited/2 "$local_answer verdict=\"deny\""
expect 502 /a/garbage 'refused="-" verdict="allow"'
case $line in *'end="SH"'* | *'end="PH"'*) ;; *) fail "not an error of the origin: $line" ;; esac

# Refused for what it is: the agent was not asked.
expect 400 /a/../b "$local_answer asked=\"-\" verdict=\"-\" path=\"-\""

# Of a slowed one, too, it is known who decided.
other='--interface 127.200.0.2'
# shellcheck disable=SC2086
{
    expect 200 /slow/1 "$plain verdict=\"allow\"" $other
    expect 200 /slow/2 "$plain verdict=\"slow\"" $other
}

# The ban: told by the agent once, then refused out of the cache; of another client.
other='--interface 127.200.0.3'
# shellcheck disable=SC2086
{
    expect 200 /banned/1 "$plain verdict=\"allow\"" $other
    expect 429 /banned/2 "$local_answer verdict=\"deny\"" $other
    expect 429 /banned/3 'end="LR" refused="ban" asked="-" error="-" verdict="-" path="-"' $other
}

# The coarse limit.
for i in $(seq 100); do
    REQUESTS=$((REQUESTS + 1))
    expect_status 200 "/c/$i" --interface 127.200.0.4
done
for i in 101 102; do
    expect 429 "/c/$i" 'end="LR" refused="coarse" asked="-" error="-" verdict="-" path="-"' --interface 127.200.0.4
done

# -- what has no latency ----------------------------------------------------------------------------------

# A tunnel, events, and an upload that the client gives up. Each of them lasts.
websocket=(-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==')
expect 101 /t/socket 'refused="-" verdict="allow" stream="-"' --interface 127.200.0.5 "${websocket[@]}"
[ "$(ms ta)" -ge 400 ] || fail "the tunnel did not last: $line"
expect 200 /t/events 'refused="-" verdict="allow" stream="1"' --interface 127.200.0.5
[ "$(ms ta)" -ge 400 ] || fail "the stream did not last: $line"
REQUESTS=$((REQUESTS + 1))
head -c 1000000 /dev/zero | curl -s -o /dev/null --limit-rate 100k --max-time 1 --interface 127.200.0.5 -T - "http://$FRONT/t/upload"
recorded "PUT /t/upload"
case $line in *' end="C'*' tr="-1" '*) ;; *) fail "not aborted: $line" ;; esac

# -- what a client may say --------------------------------------------------------------------------------

# A path is one value, whatever is in it.
forged='/f"] [rules@32473 status="200" verdict="allow"'
expect_raw 200 "GET ${forged// /%%20} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
wait_until grep -q 'path="%2Ff%22%5D%2520%5Brules%4032473%2520status%3D%22200%22%2520verdict%3D%22allow%22"' "$RECORD"
REQUESTS=$((REQUESTS + 1))
# The longest one is whole; what follows the fields is cut off.
long=$(repeat 2047 '"')
# shellcheck disable=SC2016 # as it is
expect_raw 200 "GET /$long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
wait_until grep -q "path=\"%2F$(repeat 2047 %22)\" refused=\"-\" asked=\"[0-9]*\" error=\"-\" verdict=\"allow\" stream=\"-\"\] 127" "$RECORD"
REQUESTS=$((REQUESTS + 1))
# What is no HTTP at all has a line as well: refused by the configuration.
expect_raw 400 "GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n"
wait_until grep -q 'status="400" .* path="-" refused="-" asked="-" error="-" verdict="-" stream="-"\] 127.200.0.1:.* "<BADREQ>"' "$RECORD"
REQUESTS=$((REQUESTS + 1))

# -- failures ---------------------------------------------------------------------------------------------

# The client goes away in the middle of the answer.
curl -s -N --max-time 120 --interface 127.200.0.5 "http://$FRONT/d/endless" | head -c 1 > /dev/null
recorded "GET /d/endless"
case $line in *'status="200"'*' end="CD" '*'verdict="allow"'*) ;; *) fail "not aborted: $line" ;; esac
REQUESTS=$((REQUESTS + 1))

# Without the agent: not decided, and served. The lines wait.
stop agent
for i in $(seq 5); do
    REQUESTS=$((REQUESTS + 1))
    expect_status 200 "/e/$i" --interface 127.200.0.5
    recorded "GET /e/$i"
    case $line in *'refused="-" asked="1'*'verdict="-"'*) ;; *) fail "decided without an agent: $line" ;; esac
done
wait_until stat_is agents BACKEND status DOWN
expect 200 /e/6 "end=\"--\" error=\"-\" verdict=\"-\" path=\"%2Fe%2F6\"" --interface 127.200.0.5

# Without the origin, too.
stop origin
expect 503 /e/7 'tc="-1" tr="-1" verdict="-"' --interface 127.200.0.5
case $line in *' end="S'*) ;; *) fail "not an error of the origin: $line" ;; esac

# -- all of them ------------------------------------------------------------------------------------------

# One line a request, and no more.
[ "$(tail -n +$((mark + 1)) "$RECORD" | grep -cE '\] 127\.200\.')" = "$REQUESTS" ] || fail "not $REQUESTS lines"

# The agent comes back and gets what it missed; none of it is foreign to it.
start_agent --log-level debug
missed() { tail -n +$((mark + 1)) "$RECORD" | grep -c 'path="%2Fe%2F'; }
[ "$(missed)" = 7 ] || fail "not 7 lines without an agent"
wait_until in_force
stop haproxy
passed_on() { [ "$(wc -l < "$RECORD.sent")" = "$(wc -l < "$RECORD")" ]; }
wait_until passed_on
stop agent
! grep -q 'line skipped' "$TMP/agent.log" || fail "the agent skipped a line"
counted=$(sed -nE 's/.*log feed: connection closed: .*; lines counted: ([0-9]+), skipped: 0$/\1/p' "$TMP/agent.log" | paste -sd+)
[ "$((counted))" = "$(wc -l < "$RECORD")" ] || fail "the agent counted $counted lines of $(wc -l < "$RECORD")"

# How long a path took is beside how often it was asked for.
average() { sqlite3 -readonly "$TMP/analytics.db" "SELECT duration_avg_ms FROM daily_paths WHERE path = '$1' ORDER BY day LIMIT 1"; }
took=$(average /a/pause)
[ "${took%.*}" -ge 300 ] && [ "${took%.*}" -lt 100000 ] || fail "/a/pause took $took ms"
[ "$(average /forbidden/1)" = "" ] || fail "a refusal took $(average /forbidden/1) ms"
# What has no latency is not in it, and counted apart.
for path in /t/socket /t/events /t/upload /d/endless; do
    [ "$(average "$path")" = "" ] || fail "$path took $(average "$path") ms"
done
counts() { sqlite3 -readonly "$TMP/analytics.db" "SELECT $1 FROM daily_summary"; }
apart=$(counts 'sum(tunnels), sum(streams), sum(aborted)')
[ "$apart" = "1|1|2" ] || fail "tunnels, streams and aborted: $apart"
# The origin sent one 404 and one 500; HAProxy refused with all other 4xx, and with no 5xx: those were the origin's fault.
refused=$(grep -cE 'status="4[0-9]{2}" .* end="[LP]R" tc="-1"' "$RECORD")
[ "$refused" -ge 8 ] || fail "only $refused refusals"
whose=$(counts 'sum(refused_4xx), sum(refused_5xx), sum(origin_4xx), sum(origin_404), sum(origin_5xx)')
[ "$whose" = "$refused|0|1|1|1" ] || fail "refused_4xx, refused_5xx, origin_4xx, origin_404, origin_5xx: $whose"
