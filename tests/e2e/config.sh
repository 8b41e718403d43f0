# The configuration is valid without a warning or notice, wherever it is started from, as it comes and with every option.
valid() { # DIRECTORY FILE [NAME=VALUE...]
    local output
    output=$(cd "$1" && env "${@:3}" "$HAPROXY" -c -f "$2" 2>&1) || fail "$* is not valid: $output"
    output=${output/Configuration file is valid/}
    [ -z "$output" ] || fail "$*: $output"
    (cd "$1" && env "${@:3}" "$HAPROXY" -dW -c -f "$2" > /dev/null 2>&1) || fail "$*: a warning"
}
refused() { # TEXT [NAME=VALUE...]
    local output
    output=$(env "${@:2}" "$HAPROXY" -c -f "$HAPROXY_CFG" 2>&1) && fail "${*:2} is valid"
    grep -qF "$1" <<< "$output" || fail "${*:2}: $output"
}
HAPROXY=$(command -v "$HAPROXY")
HAPROXY=$(realpath "$HAPROXY")
folder=$(dirname "$HAPROXY_CFG")
valid "$ROOT" "${HAPROXY_CFG#"$ROOT"/}"
valid / "$HAPROXY_CFG"
valid "$folder" haproxy.cfg
valid / "$HAPROXY_CFG" RULES_BIND="[::]:$PORT6 v4v6" RULES_ORIGIN="[::1]:80" RULES_ORIGIN_2=127.0.0.1:81 \
    RULES_SAMPLE_ORIGIN=none RULES_AGENT=unix@/run/spoa-rules/agent.sock RULES_AGENT_BACKUP=127.0.0.1:9012 \
    RULES_FAIL_CLOSED=1 RULES_TIMEOUT=1s RULES_ADMIN_SOCKET="$ADMIN" RULES_USER=nobody RULES_GROUP=nogroup \
    RULES_COARSE_REQUESTS=10 RULES_COARSE_SECONDS=60 RULES_SLOW_MAXCONN=5 RULES_IPV6_PREFIX=56 RULES_TRUSTED_PROXIES=/dev/null
valid / "$HAPROXY_CFG" RULES_FEED=none RULES_BREAKER_CONFIRM=0 RULES_CACHE_MB=64 RULES_COMPRESS="application/json text/html"
make_authority ours
make_certificate ours front api.example.com
valid / "$HAPROXY_CFG" RULES_BIND="[::]:$PORT6 v4v6 ssl crt $TMP/front.pem alpn h2,http/1.1" RULES_BIND_2="$FRONT,$STATS accept-proxy" \
    RULES_ORIGIN_2="[::1]:81" RULES_ORIGIN_3=unix@/run/origin.sock RULES_ORIGIN_4=127.0.0.1:82 RULES_ORIGIN_TLS=api.example.com \
    RULES_ORIGIN_CA="$TMP/ours.crt" RULES_ORIGIN_TIMEOUT=5s RULES_HEADER_TIMEOUT=5s RULES_CLIENT_TIMEOUT=5s RULES_IDLE_TIMEOUT=5s \
    RULES_CLIENT_CONNECTIONS=20 RULES_MAX_BODY=none RULES_CHUNKED=0 RULES_MAXCONN=1000 RULES_COARSE_ERRORS=50 \
    RULES_COARSE_AT_ONCE=50 RULES_SLOW_QUEUE=5 RULES_SLOW_CLIENT=2 RULES_TUNNEL_TIMEOUT=5m RULES_LOG=127.0.0.1:514 RULES_LOG_LEVEL=debug RULES_DIR="$ROOT/haproxy"
valid / "$HAPROXY_CFG" RULES_PEER_1=192.0.2.11:9013 RULES_PEER_2=192.0.2.12:9013
valid / "$HAPROXY_CFG" RULES_PEER_NAME=front2 RULES_PEER_1=192.0.2.11:9013 RULES_PEER_2=192.0.2.12:9013

# Nor is there a warning when it starts.
starts() { # [NAME=VALUE...]
    : > "$TMP/haproxy.log"
    start_haproxy "$@"
    wait_until grep -q 'agents/agent1 is DOWN' "$TMP/haproxy.log"
    stop haproxy
}
starts
starts RULES_FEED=none RULES_CACHE_MB=64 RULES_COMPRESS="application/json text/html" RULES_FAIL_CLOSED=1 RULES_BREAKER_CONFIRM=1
starts RULES_BIND="[::]:$PORT6 v4v6 ssl crt $TMP/front.pem alpn h2,http/1.1" RULES_BIND_2="$FRONT accept-proxy" RULES_AGENT_BACKUP="$AGENT" \
    RULES_ORIGIN_2="$ORIGIN" RULES_ORIGIN_3="unix@$TMP/origin.sock" RULES_ORIGIN_TLS=api.example.com RULES_ORIGIN_CA="$TMP/ours.crt" \
    RULES_CHUNKED=0 RULES_MAX_BODY=none RULES_MAXCONN=1000 RULES_LOG_LEVEL=debug RULES_PEER_2=127.0.0.1:9013
[ "$(id -u)" != 0 ] || starts RULES_CHROOT="$TMP"

# The feed to a unix socket: HAProxy 3.3 and later cannot, and say so in our words.
for feed in unix@/run/spoa-rules/feed.sock /run/spoa-rules/feed.sock; do
    case $("$HAPROXY" -v) in
    *'version 2.'* | *'version 3.'[012]*) valid / "$HAPROXY_CFG" RULES_FEED="$feed" ;;
    *) refused "RULES_FEED: HAProxy 3.3 and later send the log feed to no unix socket" RULES_FEED="$feed" ;;
    esac
done

# Keywords that HAProxy 3.1 ignores and later ones will not know are for earlier ones only.
mkdir "$TMP/removed"
cp "$ROOT/haproxy/trusted-proxies.lst" "$TMP/removed"
sed -E 's/^ +(timeout hello|timeout idle|maxconnrate|no option send-frag-payload)/    removed-&/' "$ROOT/haproxy/spoe-rules.conf" > "$TMP/removed/spoe-rules.conf"
[ "$(grep -c removed- "$TMP/removed/spoe-rules.conf")" = 4 ] || fail "not the keywords that this test knows"
case $("$HAPROXY" -v) in
*'version 2.'* | *'version 3.0'*) refused "removed-" RULES_DIR="$TMP/removed" ;;
*) valid / "$HAPROXY_CFG" RULES_DIR="$TMP/removed" ;;
esac

# Fronts that would start without sharing anything do not.
refused "RULES_PEER_NAME is front1, or" RULES_PEER_NAME=front2
refused "RULES_PEER_NAME is front1, or" RULES_PEER_NAME=front3 RULES_PEER_1=192.0.2.11:9013 RULES_PEER_2=192.0.2.12:9013
refused "RULES_PEER_1 is not an address" RULES_PEER_2=192.0.2.12:9013
# Nor what would do the opposite of what is meant.
for value in yes ' 1' ''; do
    for name in RULES_FAIL_CLOSED RULES_PASS_LATE RULES_CHUNKED RULES_BREAKER_CONFIRM; do
        refused "$name is 0 or 1" "$name=$value"
    done
done
refused "RULES_IPV6_PREFIX is a number" RULES_IPV6_PREFIX=
