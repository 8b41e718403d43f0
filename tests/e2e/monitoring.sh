# Dashboard and alerts: a real Prometheus that scrapes agent and HAProxy has each series that they name; and both sources of
# the undecided requests are true: the log feed, and what HAProxy forwarded less what the agent let through.
PATH=$PATH:$ROOT/build/prometheus
command -v prometheus > /dev/null || fail "prometheus is missing: tests/admin/fetch brings it"
PROMETHEUS=$ADDR:19090
start_agent --admin-listen "$ADDR:19012"
start_haproxy
wait_until asks
rules "INSERT INTO rules(id, path, per, requests, period, ban) VALUES (7, '/items/*', 'src', 1, 60, 60);
       INSERT INTO rules(id, path, per, requests, period, over) VALUES (8, '/slow/*', 'src', 1, 60, 'slow');
       INSERT INTO rules(id, per, requests, period, shadow) VALUES (9, 'src', 1, 60, 1)"

sed "s/127.0.0.1:9012/$ADDR:19012/; s/127.0.0.1:8404/$STATS/; s/: 15s/: 1s/; s|alerts.yml|$ROOT/haproxy/monitoring/&|" \
    "$ROOT/haproxy/monitoring/prometheus.yml" > "$TMP/prometheus.yml"
start prometheus prometheus --config.file="$TMP/prometheus.yml" --storage.tsdb.path="$TMP/prometheus" \
    --web.listen-address="$PROMETHEUS"

# The value of an expression that has one.
value() { # EXPRESSION
    curl -s --data-urlencode "query=$1" "http://$PROMETHEUS/api/v1/query" |
        sed -nE 's/.*"result":\[\{"metric":\{[^}]*\},"value":\[[0-9.]+,"([^"]+)"\].*/\1/p'
}
is() { [ "$(value "$2")" = "$1" ]; }
forwarded='sum(haproxy_backend_http_requests_total{proxy=~"origins|slow_origins|long_bodies"})'
let_through='sum(spoa_rules_decisions_total{verdict=~"allow|slow"})'
denied='sum(spoa_rules_decisions_total{verdict="deny"})'
by_haproxy="sum(haproxy_frontend_intercepted_requests_total{proxy=\"api\"}) - $denied"
wait_until is 2 'count(up == 1)'

before=$(value "$denied")
expect_status 200 /slow/1
expect_status 200 /slow/1
expect_status 200 /items/1
for i in 1 2 3 4 5; do expect_status 429 /items/1; done
wait_until is "$((before + 1))" "$denied"
# Forwarded is what the agent let through; refused by HAProxy alone are the four that the ban was lent for.
wait_until is 0 "$forwarded - $let_through"
wait_until is 4 "$by_haproxy"

missing() { ! said=$("$ROOT/tests/monitoring/dashboard.py" ask "$PROMETHEUS" 2>&1); }
complete() { ! missing; }
deadline=$((SECONDS + 120))
until complete; do
    [ "$SECONDS" -lt "$deadline" ] || fail "$said"
    sleep 0.5
done

# Without the agent requests are forwarded undecided.
stop agent KILL
for i in 1 2 3; do expect_status 200 /other/1 --interface 127.200.0.2; done
wait_until is 3 "$forwarded - $let_through or $forwarded - sum(last_over_time(spoa_rules_decisions_total{verdict=~\"allow|slow\"}[1m]))"
wait_until is 0 'up{job="spoa-rules"}'
wait_until is 0 'haproxy_server_status{proxy="agents",state="UP"}'

# The log feed knows them as well: their lines have waited for the agent.
start_agent --admin-listen "$ADDR:19012"
wait_until is 3 'sum(spoa_rules_feed_undecided_total)'
