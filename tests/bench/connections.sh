# How HAProxy may connect to the agent: what each way costs the two of them. From 3.1 on HAProxy sends each question by
# itself over one of many connections; `pool-max-conn` keeps fewer of those that are idle.
# shellcheck disable=SC2154 # run, lib.sh and haproxy.sh set them

# NAME: its own agent, behind a TCP port or a unix socket, and HAProxy with these options of the agent's `server`.
start_way() { # BINARY NAME unix|tcp [SERVER-OPTION...]
    local agent=$dir/$2.sock
    start_agent "$2" "$dir/haproxy.db" --listen "unix:$agent"
    [ "$3" = unix ] && agent=unix@$agent || agent=${address[$2]}
    sed "s|^    server agent1 .*|& ${*:4}|" haproxy/haproxy.cfg >"$dir/$2.cfg"
    start_front "$2_front" "$1" "$dir/$2.cfg" RULES_AGENT="$agent" RULES_FEED=none RULES_LOG=127.0.0.1:9
}

for haproxy in $haproxies; do
    section "ways to the agent, $("$haproxy" -v | awk 'NR == 1 { print $1, $3 }')"
    note "$haproxy_rounds rounds of $haproxy_seconds s each, 64 clients; CPU us a request"
    start_way "$haproxy" tcp tcp
    start_way "$haproxy" unix unix
    start_way "$haproxy" tcpfour tcp pool-max-conn 4
    start_way "$haproxy" unixfour unix pool-max-conn 4
    rounds "$haproxy_rounds" 'tcp unix tcpfour unixfour' through_haproxy
    heading 'HAProxy and agent together'
    row '  TCP' 2 'tcp.front_us + tcp.cpu_us'
    row '  unix socket / TCP' 3 '(unix.front_us + unix.cpu_us) / (tcp.front_us + tcp.cpu_us)'
    row '  TCP, pool-max-conn 4 / TCP' 3 '(tcpfour.front_us + tcpfour.cpu_us) / (tcp.front_us + tcp.cpu_us)'
    row '  unix, pool-max-conn 4 / TCP' 3 '(unixfour.front_us + unixfour.cpu_us) / (tcp.front_us + tcp.cpu_us)'
    heading 'HAProxy alone'
    row '  unix socket / TCP' 3 'unix.front_us / tcp.front_us'
    row '  TCP, pool-max-conn 4 / TCP' 3 'tcpfour.front_us / tcp.front_us'
    row '  unix, pool-max-conn 4 / TCP' 3 'unixfour.front_us / tcp.front_us'
    heading 'requests a second'
    row '  unix socket / TCP' 3 'unix.rate / tcp.rate'
    row '  unix, pool-max-conn 4 / TCP' 3 'unixfour.rate / tcp.rate'
    stop tcp_front unix_front tcpfour_front unixfour_front tcp unix tcpfour unixfour
done
