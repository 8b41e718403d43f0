# What the sections of `run` share: processes on free ports, rounds that alternate, and tables of what they gave.
# shellcheck disable=SC2154 # run sets them

dir=$(mktemp -d)

fail() {
    echo "tests/bench/run: $*" >&2
    exit 1
}

# ---- processes ----

declare -A pid address

stop() { # NAME...
    local name
    for name; do
        kill "${pid[$name]}" 2>/dev/null || true
        wait "${pid[$name]}" 2>/dev/null || true
        unset "pid[$name]"
    done
}
stop_all() {
    stop "${!pid[@]}"
    rm -rf "$dir"
}
trap stop_all EXIT
trap 'exit 1' INT TERM

# Agent and load have a core each: where the kernel puts them together or apart by turns, a wake-up costs one thing or
# another, and the figures fall into two heaps. Sections in which an agent needs several cores empty `on_core`.
agent_core=() load_core=()
if (($(nproc) > 1)); then
    cores=$(taskset -pc $$)
    cores=${cores##*: }
    agent_core=(taskset -c "${cores%%[-,]*}") load_core=(taskset -c "${cores##*[-,]}")
fi
on_core=("${agent_core[@]}") front_core=()

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Below the ports that the kernel gives to clients.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); do
        listens "$port" || { echo "$port"; return; }
    done
}

start() { # NAME PORT COMMAND...: in the background; returns when it listens
    local name=$1 port=$2 i
    shift 2
    "$@" >"$dir/$name.log" 2>&1 &
    pid[$name]=$!
    address[$name]=127.0.0.1:$port
    for ((i = 0; i < 600; i++)); do
        ! listens "$port" || return 0
        kill -0 "${pid[$name]}" 2>/dev/null || break
        sleep 0.05
    done
    cat "$dir/$name.log" >&2
    fail "$name does not listen"
}

start_null() { # NAME [full]
    local port
    port=$(free_port)
    start "$1" "$port" "${on_core[@]}" "$bin/null_agent" "$port" "${@:2}"
}

start_agent() { # NAME RULES-DATABASE [OPTION...]
    local port
    port=$(free_port)
    mkdir -p "$dir/$1"
    # Nothing is shared with an agent that runs beside it.
    start "$1" "$port" "${on_core[@]}" build/spoa-rules serve --listen "127.0.0.1:$port" --data "$dir/$1" \
        --runtime "$dir/$1" --log-listen "127.0.0.1:$(free_port)" --rules "$2" "${@:3}"
}

# HAProxy on ports of its own, without a coarse limit, a log that costs, or others' tables. Files are those beside
# haproxy.cfg, wherever CONFIGURATION is.
start_front() { # NAME BINARY CONFIGURATION [NAME=VALUE...]
    local port
    port=$(free_port)
    start "$1" "$port" env RULES_DIR="$PWD/haproxy" RULES_BIND="127.0.0.1:$port" RULES_STATS_BIND="127.0.0.1:$(free_port)" \
        RULES_SAMPLE_ORIGIN="127.0.0.1:$(free_port)" RULES_PEER_1="127.0.0.1:$(free_port)" RULES_COARSE_REQUESTS=1000000000 \
        RULES_TIMEOUT=1s "${@:4}" "${front_core[@]}" "$2" -f "$3"
}

# ---- rounds ----

# The scheduler's own count, of all threads. It is brought up to date at each tick, and when a thread goes to sleep, as
# all of them have between measurements.
cpu_ns() { # NAME
    cat "/proc/${pid[$1]}"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

load() { # NAME OPTION...: key=value of that agent under load
    "${load_core[@]}" "$bin/load" --address "${address[$1]}" --pid "${pid[$1]}" "${@:2}" | tail -n 1
}

# N times `COMMAND NAME ARGUMENT...` of each name, which prints key=value; the order turns, so that no one always comes
# first. Before that once each, to warm up. What rows() reads has a line a round, of NAME.key=value.
rounds() { # N "NAME..." COMMAND [ARGUMENT...]
    local n=$1 command=$3 i name line
    local -a names
    read -ra names <<<"$2"
    : >"$dir/rounds"
    for ((i = 0; i <= n; i++)); do
        for name in "${names[@]}"; do
            line=$("$command" "$name" "${@:4}")
            ((i == 0)) || printf '%s ' "$name.${line// / $name.}" >>"$dir/rounds"
        done
        ((i == 0)) || echo >>"$dir/rounds"
        names=("${names[@]:1}" "${names[0]}")
    done
}

heading() { printf '%-46s %10s %10s %10s\n' "$1" median least greatest; }

row() { # WHAT DECIMALS EXPRESSION: over NAME.key; its median, least and greatest of all rounds
    local expression
    expression=$(sed -E 's/[a-z][a-z0-9]*\.[a-z0-9_]+/v["&"]/g' <<<"$3")
    awk '{ for (i = 1; i <= NF; i++) { split($i, pair, "="); v[pair[1]] = pair[2] } print '"$expression"' }' "$dir/rounds" |
        sort -g | awk -v what="$1" -v format="%.$2f" '
            { v[NR] = $1 }
            END {
                median = (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2
                printf "%-46s %10s %10s %10s\n", what, sprintf(format, median), sprintf(format, v[1]), sprintf(format, v[NR])
            }'
}

median() { row '' 6 "$1" | awk '{ print $1 }'; }

# Who kept the others from more: told where a figure is a throughput.
limit_of() { # NAME WHAT WORKERS
    awk -v what="$2" -v agent="$(median "$1.cores")" -v load="$(median "$1.load_cores")" -v workers="$3" -v cores="$(nproc)" '
        BEGIN {
            if (load > 0.9) who = "the generator was the limit, the agent can do more"
            else if (agent > 0.9 * workers) who = "the agent was the limit"
            else if (agent + load > 0.9 * cores) who = "the cores were the limit"
            else who = "neither was the limit: they waited for one another, or for cores that others used"
            printf "%s: it used %.2f cores, the load generator %.2f, of %d: %s\n", what, agent, load, cores, who
        }'
}
