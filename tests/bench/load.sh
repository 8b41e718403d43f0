# An agent under a load of SPOP, beside the null agent: what a decision costs, and how long it takes.
# shellcheck disable=SC2154 # run and lib.sh set them

rules=10000
"$bin/make_rules" "$dir/mixed.db" "$rules"
start_agent agent "$dir/mixed.db"
start_null null

compare() { # OPTION...: alternating pairs, and their CPU time
    rounds "$pairs" 'agent null' load --rules "$rules" --seconds "$load_seconds" "$@"
    heading 'CPU us a decision'
    row '  agent' 2 agent.cpu_us
    row '  null agent' 2 null.cpu_us
    row '  agent - null agent' 2 'agent.cpu_us - null.cpu_us'
    row '  load generator, with the agent' 2 agent.load_us
    heading 'decisions a second'
    row '  agent' 0 agent.rate
    row '  null agent' 0 null.rate
    limit_of agent agent 1
    limit_of null 'null agent' 1
}

section "pipelined, as by HAProxy up to 3.0: $rules mixed rules, 100,000 clients, 4 connections with 20 in flight each"
note "$pairs pairs of $load_seconds s; the agent's CPU time is the figure, throughput depends on the load generator too"
compare --connections 4 --window 20

section "single frames, as by HAProxy from 3.1 on: the same, 64 connections with 1 in flight each"
note "$pairs pairs of $load_seconds s; the difference is the figure: the rest is the kernel's, and this machine's"
compare --connections 64 --window 1

stop agent

section "analytics: pipelined, with them and with --no-analytics"
note "$analytics_starts times $analytics_pairs pairs of $load_seconds s: where a process lies in memory costs or saves it as much"
for ((i = 0; i < analytics_starts; i++)); do
    rm -rf "$dir/with" "$dir/without"
    start_agent with "$dir/mixed.db"
    start_agent without "$dir/mixed.db" --no-analytics
    rounds "$analytics_pairs" 'with without' load --rules "$rules" --seconds "$load_seconds"
    cat "$dir/rounds" >>"$dir/all_rounds"
    stop with without
done
mv "$dir/all_rounds" "$dir/rounds"
heading 'CPU us a decision'
row '  with' 3 with.cpu_us
row '  without' 3 without.cpu_us
row '  with / without' 3 'with.cpu_us / without.cpu_us'
start_agent agent "$dir/mixed.db"

section "latency at $latency_rate requests a second, from when each was due: the same, 4 connections"
note "$latency_pairs pairs of $latency_seconds s; what both have is the machine's; so is what the load generator was late in sending"
rounds "$latency_pairs" 'agent null' load --rules "$rules" --rate "$latency_rate" --seconds "$latency_seconds"
latency() { # WHAT KEY
    heading "$1"
    row '  agent' 0 "agent.$2"
    row '  null agent' 0 "null.$2"
}
latency 'us, p50' p50_us
latency 'us, p99' p99_us
latency 'us, p99.9' p999_us
latency 'us late, p99' late_p99_us
stop agent null

section 'workers: the same, pipelined, with --threads 1 and 2'
note "$worker_pairs pairs of $load_seconds s; all share $(nproc) cores with the load generator"
on_core=() load_core=()
start_agent one "$dir/mixed.db" --threads 1
start_agent two "$dir/mixed.db" --threads 2
rounds "$worker_pairs" 'one two' load --rules "$rules" --seconds "$load_seconds" --connections 8
heading 'CPU us a decision'
row '  one worker' 2 one.cpu_us
row '  two workers' 2 two.cpu_us
row '  two / one' 2 'two.cpu_us / one.cpu_us'
heading 'decisions a second'
row '  one worker' 0 one.rate
row '  two workers' 0 two.rate
row '  two / one' 2 'two.rate / one.rate'
limit_of one 'one worker' 1
limit_of two 'two workers' 2
stop one two
