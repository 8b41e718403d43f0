# The rules attached to a proxy with a configuration of its own, by the very commands of the README, and taken off again.
folder=$TMP/haproxy
mkdir "$folder"

# A line of that section of the README, with the directory of the test for /etc/haproxy.
section=$(sed -n '/^## Attaching/,/^## Rules/p' "$ROOT/README.md")
readme() { # PATTERN
    local line
    line=$(grep -E -- "$1" <<< "$section") || fail "the README has no line like $1"
    [ "$(wc -l <<< "$line")" = 1 ] || fail "the README has more than one line like $1"
    echo "${line//\/etc\/haproxy/$folder}"
}
sudo() { "$@"; }
HAPROXY=$(realpath "$(command -v "$HAPROXY")")
cd "$ROOT" || fail "no $ROOT"

# One of the simplest, but with names and a log of its own, and a header that it sets by an access list `trusted`: ours of that
# name would be joined with it, and anybody could say who he is.
configuration() { # [LINES of the front end]
    cat << CFG
global
    log stdout format raw local0
    stats socket $ADMIN level admin
defaults
    log global
    mode http
    option dontlognull
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend mine
    bind $FRONT
${1:-}
    log-format "mine %ci %ST %HU"
    acl trusted src 127.0.0.0/8
    acl denied path /never
    http-request deny deny_status 410 if denied
    http-request set-header X-Mine yes if trusted
    default_backend web
backend web
    server web1 $SAMPLE
frontend site
    bind $SAMPLE
    http-request return status 200 content-type text/plain lf-string "mine=%[req.fhdr(x-mine)] for=%[req.fhdr(x-forwarded-for)]\n"
CFG
}

eval "$(readme "^sed .*sections of the rules.* tee ")"
eval "$(readme '^sudo install .*trusted-proxies')"
configuration "$(eval "$(readme '^sed .*lines of the rules/p')")" > "$folder/haproxy.cfg"
[ "$(wc -l < "$folder/haproxy.cfg")" -gt 100 ] && [ -s "$folder/rules.cfg" ] || fail "nothing was lifted"

# As the README has it checked and started, and as a directory; without a word from HAProxy.
export RULES_DIR=$folder RULES_AGENT=$AGENT RULES_FEED=$FEED RULES_PEER_1=$PEER RULES_TIMEOUT=2s
haproxy() { "$HAPROXY" "$@"; }
silent() { # COMMAND
    local output
    output=$(eval "$1" 2>&1) || fail "$1: $output"
    output=${output/Configuration file is valid/}
    [ -z "$output" ] || fail "$1: $output"
}
check=$(readme '^haproxy -c ')
silent "$check"
silent "$check -dW"
mkdir "$folder/all"
cp "$folder/rules.cfg" "$folder/all/00-rules.cfg"
cp "$folder/haproxy.cfg" "$folder/all/"
silent "haproxy -dW -c -f $folder/all"

start_attached() {
    local CONFIG EXTRAOPTS
    eval "$(readme '^CONFIG=')"
    eval "$(readme '^EXTRAOPTS=')"
    # shellcheck disable=SC2086 # words; -S is for a master process, which -db does without
    start haproxy "$HAPROXY" -db -f "$CONFIG" ${EXTRAOPTS/-S \/run\/haproxy-master.sock/}
    wait_until listens "$FRONT"
}
# shellcheck disable=SC2119
start_agent
start_attached
wait_until asks

# Rules refuse.
rules "INSERT INTO rules(id, path, action) VALUES (41, '/is-it-on', 'deny');
       INSERT INTO rules(id, path, per, requests, period, ban) VALUES (42, '/few', 'src', 1, 600, 600)"
answer=$(get /is-it-on)
expect_line "$answer" "HTTP/1.1 403 Forbidden"
expect_line "$answer" "Denied by rule 41."
# What was there goes on: the header, the log, a refusal. Nobody names himself.
answer=$(get /x -H "X-Forwarded-For: 192.0.2.1")
expect_line "$answer" "mine=yes for=$CLIENT"
expect_status 410 /never
logged() { grep -qx "mine $CLIENT 403 /is-it-on" "$TMP/haproxy.log"; }
wait_until logged

# The ban cache: the agent decides twice, and hears of the others by the log feed alone.
other=(--interface 127.200.0.2)
expect_status 200 /few "${other[@]}"
for i in $(seq 21); do expect_status 429 /few "${other[@]}"; done
counted() {
    [ "$(sqlite3 -readonly "$TMP/analytics.db" "SELECT sum(ban_denied) FROM daily_summary")" = 20 ] &&
        [ "$(sqlite3 -readonly "$TMP/analytics.db" "SELECT sum(requests) FROM daily_paths WHERE path = '/few'")" = 2 ]
}
wait_until counted

# The coarse limit is there as well.
admin "show table coarse" | grep -q "key=::ffff:$CLIENT .*http_req_rate" || fail "no coarse limit"

# Without a log format HAProxy decides as before, but feeds no lines, and the agent's log says what to do. `option httplog` will do.
says_why() { grep -qF 'HAProxy writes no line for a request: give its front end `option httplog` or a `log-format`' "$TMP/agent.log"; }
fed() { [ "$(sqlite3 -readonly "$TMP/analytics.db" "SELECT count(*) FROM daily_paths WHERE path = '/httplog' AND duration_avg_ms IS NOT NULL")" = 1 ]; }
! says_why || fail "the agent misses lines that there are"
cp "$folder/haproxy.cfg" "$TMP/logged.cfg"
stop haproxy
sed -i '/^    log-format "mine /d' "$folder/haproxy.cfg"
start_attached
wait_until asks
expect_status 403 /is-it-on
wait_until says_why
stop haproxy
sed -i 's/^    log global/&\n    option httplog/' "$folder/haproxy.cfg"
start_attached
wait_until asks
expect_status 200 /httplog
wait_until fed
stop haproxy
cp "$TMP/logged.cfg" "$folder/haproxy.cfg"

# Off again.
eval "$(readme '^sudo sed -i ')"
configuration > "$folder/expected.cfg"
diff -B "$folder/expected.cfg" "$folder/haproxy.cfg" || fail "not the configuration of before"
silent "$check"
start_attached
expect_status 200 /is-it-on
expect_status 200 /few "${other[@]}"
