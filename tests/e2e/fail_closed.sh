# RULES_FAIL_CLOSED=1: what the agent has not decided gets 503, whether it is down, hung or left unasked.
start_stack RULES_FAIL_CLOSED=1
expect_status 200 /free

refused() {
    answer=$(get /free)
    expect_line "$answer" "HTTP/1.1 503 Service Unavailable"
    expect_line "$answer" "retry-after: 1"
    expect_line "$answer" "The request could not be checked. Try again in 1 second."
}

kill -STOP "${PIDS[agent]}"
refused
wait_until stat_is agents BACKEND status DOWN
refused
kill -CONT "${PIDS[agent]}"
wait_until in_force
expect_status 200 /free

stop agent KILL
refused
wait_until stat_is agents BACKEND status DOWN
refused
start_agent
wait_until in_force
expect_status 200 /free
