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
is_421() { [ "$(status /who)" = 421 ]; }
wait_until is_421
for i in $(seq 10); do expect_status 421 /who; done

AGENT_LISTEN=unix:$TMP/agent.sock start_agent
is_410() { [ "$(status /who)" = 410 ]; }
wait_until is_410
for i in $(seq 10); do expect_status 410 /who; done

kill -STOP "${PIDS[agent]}"
wait_until is_421
for i in $(seq 10); do expect_status 421 /who; done
kill -CONT "${PIDS[agent]}"
wait_until is_410
for i in $(seq 10); do expect_status 410 /who; done

# The backup fails, and nobody notices; both do, and everybody passes.
stop second KILL
for i in $(seq 10); do expect_status 410 /who; done
stop agent KILL
for i in $(seq 10); do expect_status 200 /who; done
