# The agent on a unix socket; a second one that is asked only while the first is down, which it also is when it hangs.
AGENT_LISTEN=unix:$TMP/agent.sock start_agent
mkdir "$TMP/second"
first_db=$RULES_DB
RULES_DB=$TMP/second/rules.db
second_options=(--data "$TMP/second" --runtime "$TMP/second")
AGENT_NAME=second AGENT_FEED=none start_agent "${second_options[@]}"
sql "INSERT INTO rules(path, action, status) VALUES ('/who', 'deny', 421)"
RULES_DB=$first_db
start_haproxy RULES_AGENT="unix@$TMP/agent.sock" RULES_AGENT_BACKUP="$AGENT"
wait_until asks
rules "INSERT INTO rules(path, action, status) VALUES ('/who', 'deny', 410)"
for i in $(seq 10); do expect_status 410 /who; done

stop agent KILL
# Ten in a row: each of HAProxy's threads has connections of its own, and opens only so many a second (maxconnrate).
all_are() { for i in $(seq 10); do [ "$(status /who)" = "$1" ] || return 1; done; }
wait_until all_are 421

AGENT_LISTEN=unix:$TMP/agent.sock start_agent
wait_until all_are 410

kill -STOP "${PIDS[agent]}"
wait_until all_are 421
kill -CONT "${PIDS[agent]}"
wait_until all_are 410

# The backup fails, and nobody notices; both do, and everybody passes.
stop second KILL
for i in $(seq 10); do expect_status 410 /who; done
stop agent KILL
for i in $(seq 10); do expect_status 200 /who; done
