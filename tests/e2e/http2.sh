# The same over HTTP/2, which the front end takes in clear text when a client begins with it. Frames are made by hand:
# no usual client sends most of these. HAProxy closes a silent connection after 5 seconds at most.
start_stack RULES_IDLE_TIMEOUT=1s RULES_HEADER_TIMEOUT=5s RULES_CLIENT_TIMEOUT=5s
rules "INSERT INTO rules(host, path, action, status) VALUES ('api.example.com', '/secret', 'deny', 410);
       INSERT INTO rules(match, path, action, status) VALUES ('{\"api_key\":\"K1\"}', '/k', 'deny', 421);
       INSERT INTO rules(id, path, per, requests, period) VALUES (7, '/items/*', 'src', 1, 600)"

hex() { printf "$1" | od -An -v -tx1 | tr -d ' \n'; }
# An HPACK literal without Huffman coding and without indexing: names and values up to 126 bytes.
field() { local name value; name=$(hex "$1") value=$(hex "$2"); printf '00%02x%s%02x%s' $((${#name} / 2)) "$name" $((${#value} / 2)) "$value"; }
# Sends the header fields given in hex as stream 1 and prints the status, `reset` for an answer without one.
h2() {
    local block=$1 answer
    answer=$({
        printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
        printf "$(printf '000000040000000000%06x010500000001%s' $((${#block} / 2)) "$block" | sed 's/../\\x&/g')"
    } | socat -T 60 STDIO,ignoreeof "TCP:$FRONT,bind=$CLIENT" | od -An -v -tx1 | tr -d ' \n')
    while [ -n "$answer" ]; do
        local length=$((16#${answer:0:6})) type=${answer:6:2} payload
        payload=${answer:18:$((length * 2))}
        answer=${answer:$((18 + length * 2))}
        [ "$type" = 01 ] || continue
        # :status is the first field: indexed, or a literal of three digits.
        case $payload in
        88*) echo 200 ;; 8c*) echo 400 ;; 8d*) echo 404 ;; 8e*) echo 500 ;;
        *) sed -E 's/^..03(3.)(3.)(3.).*/\\x\1\\x\2\\x\3/' <<< "$payload" | xargs -0 printf | head -c 3; echo ;;
        esac
        return 0
    done
    echo reset
}
request() { # METHOD PATH AUTHORITY [FIELD VALUE]...
    local block
    block=$(field :method "$1"; field :scheme http; field :path "$2"; [ -z "$3" ] || field :authority "$3")
    shift 3
    while [ $# -gt 0 ]; do block+=$(field "$1" "$2"); shift 2; done
    h2 "$block"
}
# At the same time, because each waits until HAProxy closes the connection.
is() {
    {
        wanted=$1
        shift
        got=$(request "$@")
        grep -qxE "$wanted" <<< "$got" || fail "$* gave $got instead of $wanted"
    } &
    checks+=($!)
}

is 200 GET /free api.example.com
is 410 GET /secret api.example.com
is 410 GET /secret API.Example.com.:80
is 410 GET //secret api.example.com
is 410 GET /%%73ecret api.example.com
is '400|reset' GET /x/../secret api.example.com
is '400|reset' GET /secret%%2f api.example.com
is '400|reset' GET secret api.example.com
is '400|reset' GET '/secret#x' api.example.com
is '400|reset' GET '/secret x' api.example.com
is '400|reset' GET '/secret\xe9' api.example.com
is '400|reset' GET '/x HTTP/1.1\r\nHost: x\r\n' api.example.com
is '400|reset' GET '' api.example.com
# The authority is the host, whatever a Host header says; one of the two there must be, and only one.
is 410 GET /secret api.example.com host other.example.com
is 200 GET /secret other.example.com host api.example.com
is 410 GET /secret '' host api.example.com
is '400|410' GET /secret '' host api.example.com host other.example.com
is 400 GET /secret ''
is '400|reset' GET /secret user@api.example.com
is '400|reset' GET /secret api.example.com/x
is '400|reset' 'GET /free HTTP/1.1\r\nA: b' /secret api.example.com
is '400|reset' 'GET /free' /secret api.example.com
is 400 get /secret api.example.com
is '400|405|reset' CONNECT /secret api.example.com
is 421 GET /k api.example.com x-api-key K1
is 421 GET /k api.example.com x-api-key ' K1 '
is 400 GET /k api.example.com x-api-key K1 x-api-key K2
is '400|reset' GET /k api.example.com x-api-key 'K1\000'
is '400|reset' GET /k api.example.com x-api-key 'K1\r\nx: y'

for pid in "${checks[@]}"; do
    wait "$pid" || exit 1
done

# And with a client as there are.
answer=$(get /items/1 --http2-prior-knowledge)
expect_line "$answer" 'ratelimit-policy: "r7";q=1;w=600'
expect_status 429 /items/1 --http2-prior-knowledge
expect_status 429 /items/1
expect_status 414 "/$(repeat 9000 x)" --http2-prior-knowledge
