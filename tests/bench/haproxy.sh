# Through HAProxy: its CPU time a request with the agent, and with null agents, which are the most it can be given. One
# of these answers with a verdict only, the other with all that the agent answers: the difference between the two is
# what HAProxy does with the variables, whoever sends them.
# shellcheck disable=SC2154 # run and lib.sh set them

sqlite3 "$dir/haproxy.db" <sql/rules.sql
sqlite3 "$dir/haproxy.db" "
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
  INSERT INTO rules(src, path, requests, period) SELECT '10.1.' || (i / 200) || '.' || (i % 200), '/other/' || i || '/*', 100, 60 FROM n;
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
  INSERT INTO rules(host, per, requests, period) SELECT 'customer' || i || '.example.com', 'src', 100, 60 FROM n;
  INSERT INTO rules(per, requests, period) VALUES ('src', 1000000000, 60);
  INSERT INTO rules(path, requests, period) VALUES ('/items/*', 1000000000, 60);
  INSERT INTO rules(per, requests, period, algorithm) VALUES ('src,path', 1000000000, 60, 'token');"
start_agent agent "$dir/haproxy.db"
start_agent bare "$dir/haproxy.db" --no-analytics
start_null null
start_null full full

through_haproxy() { # NAME
    local front agent requests rate
    front=$(cpu_ns "$1_front") agent=$(cpu_ns "$1")
    wrk -t1 -c64 -d"${haproxy_seconds}s" "http://${address[$1_front]}/items/1" >"$dir/wrk"
    if grep -q 'Non-2xx' "$dir/wrk"; then
        cat "$dir/wrk" >&2
        fail "HAProxy refused requests"
    fi
    requests=$(awk '/requests in/ { print $1 }' "$dir/wrk") rate=$(awk '/Requests.sec/ { print $2 }' "$dir/wrk")
    awk -v n="$requests" -v rate="$rate" -v front=$(($(cpu_ns "$1_front") - front)) -v agent=$(($(cpu_ns "$1") - agent)) 'BEGIN {
        # Nobody answers for less: HAProxy did not ask, and the figures mean nothing.
        if (agent / n < 100) exit 1
        printf "rate=%.0f front_us=%.3f cpu_us=%.3f\n", rate, front / n / 1e3, agent / n / 1e3 }' ||
        fail "HAProxy did not ask: see its breaker and health check"
}

for haproxy in $haproxies; do
    section "through $("$haproxy" -v | awk 'NR == 1 { print $1, $3 }')"
    note "$haproxy_rounds rounds of $haproxy_seconds s each, 64 clients, 1,003 rules of which 3 apply; comparable within a round only"
    for name in agent bare null full; do
        start_front "${name}_front" "$haproxy" haproxy/haproxy.cfg RULES_AGENT="${address[$name]}" RULES_FEED=none RULES_LOG=127.0.0.1:9
    done
    rounds "$haproxy_rounds" 'agent bare null full' through_haproxy
    heading 'CPU us a request: HAProxy'
    row '  with the agent' 2 agent.front_us
    row '  with the null agent' 2 null.front_us
    row '  with the null agent that answers in full' 2 full.front_us
    row '  agent / null agent' 3 'agent.front_us / null.front_us'
    row '  agent / null agent that answers in full' 3 'agent.front_us / full.front_us'
    heading 'CPU us a request: agent'
    row '  agent' 2 agent.cpu_us
    row '  null agent' 2 null.cpu_us
    row '  agent - null agent' 2 'agent.cpu_us - null.cpu_us'
    row '  agent / the same with --no-analytics' 3 'agent.cpu_us / bare.cpu_us'
    heading 'requests a second'
    row '  agent' 0 agent.rate
    row '  agent / null agent' 3 'agent.rate / null.rate'
    stop agent_front bare_front null_front full_front
done
stop agent bare null full
