# What the end-to-end tests share: one stack of agent, HAProxy and origin a test, on an address of its own.
#
# Each test runs in a shell of its own (see `run`) with TMP, a directory that is removed afterwards, and ADDR, a loopback
# address that no other running test has, so that ports can be fixed. haproxy/haproxy.cfg itself is what is tested, by
# way of its environment variables. Clients take any 127.x.y.z they like as their source address.

HAPROXY=${HAPROXY:-haproxy}
SPOA_RULES=${SPOA_RULES:-$ROOT/build/release/spoa-rules}
HAPROXY_CFG=${HAPROXY_CFG:-$ROOT/haproxy/haproxy.cfg}

FRONT=$ADDR:18080
SAMPLE=$ADDR:18081
ORIGIN=$ADDR:18082
STATS=$ADDR:18404
AGENT=$ADDR:19010
FEED=$ADDR:19011
PEER=$ADDR:19013
ADMIN=$TMP/admin.sock
RULES_DB=$TMP/rules.db

CLIENT=127.200.0.1      # the source address of get and friends
SENTINEL=127.201.0.1    # that of the questions whether rules are in force

fail() {
    echo "FAILED: $*"
    echo "at ${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}"
    exit 1
}

# A line that is shown also when the test passes.
note() { echo "$*" >> "$TMP/notes"; }

# -- processes -------------------------------------------------------------------------------------------

declare -gA PIDS=()

start() { # NAME COMMAND...: in the background, output to TMP/NAME.log
    local name=$1
    shift
    "$@" >> "$TMP/$name.log" 2>&1 &
    PIDS[$name]=$!
}

alive() { kill -0 "${PIDS[$1]}" 2> /dev/null; }

stop() { # NAME [SIGNAL]
    local pid=${PIDS[$1]:-}
    [ -n "$pid" ] || return 0
    kill "-${2:-TERM}" "$pid" 2> /dev/null
    kill -CONT "$pid" 2> /dev/null
    wait "$pid" 2> /dev/null
    unset "PIDS[$1]"
}

# The agent may not answer SIGTERM when a test left it in a bad way: KILL, nothing of it is needed.
stop_all() {
    local name
    for name in "${!PIDS[@]}"; do
        stop "$name" KILL
    done
    # That of keep_agent, whose keeper cannot end it any more.
    [ ! -s "$TMP/agent.pid" ] || kill -KILL "$(< "$TMP/agent.pid")" 2> /dev/null
}
trap stop_all EXIT
trap "exit 143" INT TERM

listens() { (exec 3<> "/dev/tcp/${1%:*}/${1##*:}") 2> /dev/null; }

# Repeats a command until it succeeds; fails after 2 minutes, which is ample on a busy machine. For effects that come in their
# own time.
wait_until() {
    local deadline=$((SECONDS + 120))
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "never came true: $*"
        sleep 0.05
    done
}

# shellcheck disable=SC2120 # tests pass them
start_agent() { # [OPTION...]
    start "${AGENT_NAME:-agent}" "$SPOA_RULES" serve --listen "${AGENT_LISTEN:-$AGENT}" --rules "$RULES_DB" --data "$TMP" \
        --runtime "$TMP" --log-listen "${AGENT_FEED:-$FEED}" "$@"
    case ${AGENT_LISTEN:-} in
    unix:*) wait_until test -S "${AGENT_LISTEN#unix:}" ;;
    *) wait_until listens "${AGENT_LISTEN:-$AGENT}" ;;
    esac
    wait_until test -s "$RULES_DB"
}

# As systemd does it: listening sockets that outlive the agent, which is started again whenever it ends. TMP/agent.pid has
# its pid.
keep_agent() { # [OPTION...]
    start keeper python3 "$HERE/keep.py" "$TMP/agent.pid" "$AGENT" "$FEED" -- "$SPOA_RULES" serve --listen "$AGENT" \
        --rules "$RULES_DB" --data "$TMP" --runtime "$TMP" --log-listen "$FEED" "$@"
    wait_until test -s "$TMP/agent.pid"
    wait_until test -s "$RULES_DB"
}

# The origin's breaker stays closed: requests that come before the agent was found pass, whatever the origin does then. Not with
# OWN_BREAKER, for tests of it. HAProxy may not warn of anything (-dW). HAProxy 3.4 does when it runs as root and the configuration does not say so.
start_haproxy() { # [NAME=VALUE...]: settings that differ from these
    local -a ours=()
    [ "$(id -u)" != 0 ] || ours+=(RULES_USER=root RULES_GROUP=root)
    [ -n "${OWN_BREAKER:-}" ] || ours+=(RULES_BREAKER_ERRORS=1000000 RULES_BREAKER_CONFIRM=0)
    start haproxy env "${ours[@]}" RULES_BIND="$FRONT" RULES_STATS_BIND="$STATS" RULES_SAMPLE_ORIGIN="$SAMPLE" \
        RULES_AGENT="$AGENT" RULES_FEED="$FEED" RULES_PEER_1="$PEER" RULES_ADMIN_SOCKET="$ADMIN" RULES_TIMEOUT=2s \
        "$@" \
        "$HAPROXY" -dW "${HAPROXY_MODE:--db}" -f "$HAPROXY_CFG"
    wait_until listens "$STATS"
}

# An origin of the test's own, for RULES_ORIGIN: a bash script, run for each connection with the request on stdin.
# Start it before HAProxy, which checks it.
start_origin() { # SCRIPT
    echo "$1" > "$TMP/origin.sh"
    start origin socat "TCP-LISTEN:${ORIGIN##*:},bind=${ORIGIN%:*},reuseaddr,fork" "EXEC:bash $TMP/origin.sh"
    wait_until listens "$ORIGIN"
}

start_stack() { # [NAME=VALUE...]
    # shellcheck disable=SC2119
    start_agent
    start_haproxy "$@"
    wait_until asks
}

admin() { echo "$*" | socat -t 60 - "UNIX-CONNECT:$ADMIN"; }

# A column of the statistics: stat agents BACKEND stot
stat() {
    admin "show stat" | awk -F, -v proxy="$1" -v server="$2" -v column="$3" '
        NR == 1 { sub(/^# /, ""); for (i = 1; i <= NF; i++) if ($i == column) wanted = i }
        $1 == proxy && $2 == server { print $wanted }'
}
stat_is() { [ "$(stat "$1" "$2" "$3")" = "$4" ]; }

# -- rules -----------------------------------------------------------------------------------------------

sql() { sqlite3 -batch -cmd '.timeout 60000' "$RULES_DB" "$1" || fail "sqlite3: $1"; }

# Changes the rules and returns when the change is in force. A rule of our own goes with each change; when it answers,
# so does the rest, because a set is taken whole. Asking for it is charged to nobody.
GENERATION=0
rules() { # SQL
    GENERATION=$((GENERATION + 1))
    sql "BEGIN; DELETE FROM rules WHERE name = 'e2e';
         INSERT INTO rules(name, priority, action, path) VALUES ('e2e', 1, 'allow', '/e2e/*');
         INSERT INTO rules(name, priority, action, path, status) VALUES ('e2e', 0, 'deny', '/e2e/$GENERATION', 410);
         $1; COMMIT;"
    wait_until in_force
}
in_force() { [ "$(status "/e2e/$GENERATION" --interface "$SENTINEL")" = 410 ]; }

# HAProxy asks and gets an answer: the very first rule set is in force.
asks() {
    [ "$GENERATION" -gt 0 ] || { rules ''; return 0; }
    in_force
}

# -- requests --------------------------------------------------------------------------------------------

# The status of a request. A path, then further options of curl; the last --interface counts.
status() {
    local path=$1
    shift
    curl -s -o "$TMP/body.$BASHPID" -w '%{http_code}' --path-as-is --max-time 120 --interface "$CLIENT" "$@" "http://$FRONT$path"
    rm -f "$TMP/body.$BASHPID"
}

# Head and body of the answer, without carriage returns.
get() {
    local path=$1
    shift
    curl -s -i --path-as-is --max-time 120 --interface "$CLIENT" "$@" "http://$FRONT$path" | tr -d '\r'
}

# The bytes of a request as they are, and what comes back; `printf` escapes apply. Ends when HAProxy closes, for which the
# request should ask, or after 30 silent seconds. The sending side stays open: HAProxy 3.2 takes its end for an abort.
raw() { printf "$@" | socat -T 30 STDIO,ignoreeof "TCP:$FRONT,bind=${RAW_CLIENT:-$CLIENT}" 2> /dev/null | tr -d '\r'; }
raw_status() { raw "$@" | awk 'NR == 1 { print $2 }'; }

expect_status() { # STATUS PATH [curl option...]
    local wanted=$1 got
    shift
    got=$(status "$@")
    [ "$got" = "$wanted" ] || fail "$* gave $got instead of $wanted"
}

expect_raw() { # STATUS REQUEST
    local got
    got=$(raw_status "$2")
    [ "$got" = "$1" ] || fail "$2 gave ${got:-nothing} instead of $1"
}

expect_line() { # TEXT LINE: the text has this very line, case as it is
    grep -qxF -- "$2" <<< "$1" || fail "no line '$2' in: $1"
}

expect_no_line() { # TEXT PATTERN
    ! grep -qiE -- "$2" <<< "$1" || fail "a line like '$2' in: $1"
}

repeat() { # TIMES BYTES
    printf "%${1}s" '' | sed "s/ /$2/g"
}

# -- certificates ----------------------------------------------------------------------------------------

# TMP/NAME.crt, a certificate authority of the test's own.
make_authority() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout "$TMP/$1.key" \
        -out "$TMP/$1.crt" 2> "$TMP/openssl.log" || fail "openssl: $(cat "$TMP/openssl.log")"
}

# TMP/FILE.pem, key and certificate for a name.
make_certificate() { # AUTHORITY FILE NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$3" -addext "subjectAltName=DNS:$3" \
        -addext basicConstraints=critical,CA:FALSE -CA "$TMP/$1.crt" -CAkey "$TMP/$1.key" -keyout "$TMP/$2.key" -out "$TMP/$2.crt" \
        2> "$TMP/openssl.log" || fail "openssl: $(cat "$TMP/openssl.log")"
    cat "$TMP/$2.crt" "$TMP/$2.key" > "$TMP/$2.pem"
}
