# A flood from one client that is refused: by HAProxy alone, because the agent has lent it a ban, and by asking the agent
# each time. HAProxy has one thread on a core of its own, so that the rates say what it is able to refuse; client and
# agent share the other.
# shellcheck disable=SC2154 # run and lib.sh set them

sqlite3 "$dir/ban.db" <sql/rules.sql
sqlite3 "$dir/ban.db" "
  INSERT INTO rules(priority, src, action) VALUES (1, '192.0.2.1', 'deny');
  INSERT INTO rules(src, per, requests, period, ban) VALUES ('192.0.2.2', 'src', 1, 3600, 3600);"
echo 127.0.0.1 >"$dir/trusted.lst"
on_core=("${load_core[@]}")
start_agent ban "$dir/ban.db"
on_core=("${agent_core[@]}")
port=$(free_port)
start feed_end "$port" "${load_core[@]}" socat -u "TCP-LISTEN:$port,bind=127.0.0.1,fork" /dev/null

flood() { # asked|banned: a client that the agent denies, or one that it has banned
    declare -A client=([asked]=192.0.2.1 [banned]=192.0.2.2)
    local front requests
    front=$(cpu_ns ban_front)
    "${load_core[@]}" wrk -t1 -c64 -d"${haproxy_seconds}s" -H "X-Forwarded-For: ${client[$1]}" "http://${address[ban_front]}/" >"$dir/wrk"
    requests=$(awk '/requests in/ { print $1 }' "$dir/wrk")
    grep -q "Non-2xx or 3xx responses: $requests\$" "$dir/wrk" || { cat "$dir/wrk" >&2; fail "not all of the flood was refused"; }
    awk -v n="$requests" -v front=$(($(cpu_ns ban_front) - front)) '
        /Requests.sec/ { printf "rate=%.0f front_us=%.3f\n", $2, front / n / 1e3 }' "$dir/wrk"
}

for haproxy in $haproxies; do
    section "refusals through $("$haproxy" -v | awk 'NR == 1 { print $1, $3 }')"
    note "$haproxy_rounds rounds of $haproxy_seconds s each, 64 connections of one client, HAProxy on one core"
    front_core=("${agent_core[@]}")
    start_front ban_front "$haproxy" haproxy/haproxy.cfg RULES_AGENT="${address[ban]}" RULES_FEED="${address[feed_end]}" \
        RULES_TRUSTED_PROXIES="$dir/trusted.lst"
    front_core=()
    # The one that is let through.
    curl -s -o /dev/null -H 'X-Forwarded-For: 192.0.2.2' "http://${address[ban_front]}/"
    rounds "$haproxy_rounds" 'asked banned' flood
    heading 'refusals a second'
    row '  the agent is asked' 0 asked.rate
    row '  by a ban that the agent lent' 0 banned.rate
    row '  ban / asked' 2 'banned.rate / asked.rate'
    heading 'CPU us a refusal: HAProxy'
    row '  the agent is asked' 2 asked.front_us
    row '  by a ban that the agent lent' 2 banned.front_us
    stop ban_front
done
stop ban feed_end
