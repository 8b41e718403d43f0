# Clients that go away while the agent is being asked do not open the breaker for the others.
start_stack RULES_TIMEOUT=5s
rules "INSERT INTO rules(path, action) VALUES ('/secret', 'deny')"

# Requests that are answered before their sender has read anything, and senders that reset at once, 40 of each.
for i in $(seq 40); do
    printf 'GET /free HTTP/1.1\r\nHost: a\r\n\r\n' | socat -u -t 0 - "TCP:$FRONT,bind=127.200.0.2,linger=0" 2> /dev/null &
    printf 'POST /free HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx' | socat -u -t 0 - "TCP:$FRONT,bind=127.200.0.2,linger=0" 2> /dev/null &
    senders[2 * i]=$!
done
for i in $(seq 20); do expect_status 403 /secret; done
wait "${senders[@]}"

# Now while the agent does not answer, so that they are surely gone before their verdict.
# (The health check is none of their doing.)
admin "disable health agents/agent1" > /dev/null
kill -STOP "${PIDS[agent]}"
for i in $(seq 20); do
    printf 'GET /free HTTP/1.1\r\nHost: a\r\n\r\n' | socat -u -t 0 - "TCP:$FRONT,bind=127.200.0.2,linger=0" 2> /dev/null
done
kill -CONT "${PIDS[agent]}"
for i in $(seq 20); do expect_status 403 /secret; done
