# Four origins: the one with the fewest requests under way gets the next, and no client notices when one of them goes away.
one=$ADDR:18083
addresses=("$one" "$ADDR:18084" "$ADDR:18085" "$ADDR:18086")
# Says which it is; /held waits.
# shellcheck disable=SC2028 # for the origin to expand
echo 'read -r method path rest
while IFS= read -r line && [ "${#line}" -gt 1 ]; do :; done
if [ "$path" = /held ]; then
    echo "$1" >> '"$TMP"'/held
    until [ -e '"$TMP"'/go ]; do sleep 0.05; done
fi
printf "HTTP/1.1 200 OK\r\nContent-Length: ${#1}\r\nConnection: close\r\n\r\n%s" "$1"' > "$TMP/origin.sh"
for i in 1 2 3 4; do
    address=${addresses[i - 1]}
    start "origin$i" socat "TCP-LISTEN:${address##*:},bind=${address%:*},reuseaddr,fork" "EXEC:bash $TMP/origin.sh origin$i"
    wait_until listens "$address"
done
settings=(RULES_SAMPLE_ORIGIN=none RULES_ORIGIN="$one" RULES_BREAKER_ERRORS=5)
for i in 2 3 4; do settings+=("RULES_ORIGIN_$i=${addresses[i - 1]}"); done
start_stack "${settings[@]}"
body() { get "$@" | tail -n 1; }

# Each held request goes to an origin that has none, and everything else to the one that is left.
: > "$TMP/held"
for i in 1 2 3; do
    status /held > /dev/null &
    clients[i]=$!
    holds() { [ "$(wc -l < "$TMP/held")" = "$i" ]; }
    wait_until holds
done
[ "$(sort -u "$TMP/held" | wc -l)" = 3 ] || fail "held by $(tr '\n' ' ' < "$TMP/held")"
free=$(body /)
! grep -qx "$free" "$TMP/held" || fail "$free is not the one without requests"
for i in 1 2 3 4; do
    [ "$(body /)" = "$free" ] || fail "not always $free, the one without requests"
done
touch "$TMP/go"
wait "${clients[@]}"

# One after the other goes away: what cannot connect goes to another one, until HAProxy asks it no more.
for i in 1 2 3; do
    stop "origin$i" KILL
    noticed() { expect_status 200 / && [ "$(stat origins "origin$i" status)" = DOWN ]; }
    wait_until noticed
done
[ "$(body /)" = origin4 ] || fail "origin4 is alone, and does not answer"
