# An attribute that the operator adds without a bound: a request that does not fit into one frame is refused, connects
# to nobody, and neither opens the breaker nor lets anything else pass unasked.
mkdir "$TMP/haproxy"
cp "$(dirname "$HAPROXY_CFG")"/* "$TMP/haproxy/"
HAPROXY_CFG=$TMP/haproxy/${HAPROXY_CFG##*/}
# The frame is made small instead of the header large, for HAProxy has bounds of its own near 16 kB.
sed -i 's/^    args time=.*/&\n    args junk=req.fhdr(x-junk)/; s/^    groups check/&\n    max-frame-size 4096/' "$TMP/haproxy/spoe-rules.conf"
start_stack
rules "INSERT INTO rules(path, action) VALUES ('/secret', 'deny')"
expect_status 403 /secret -H "X-Junk: $(repeat 3000 x)"

connections() { stat agents BACKEND stot; }
before=$(connections)
for i in $(seq 20); do
    answer=$(get /secret -H "X-Junk: $(repeat 6000 x)")
    expect_line "$answer" "HTTP/1.1 431 Request Header Fields Too Large"
    expect_line "$answer" "The request is too large to be checked."
done
# Twenty in a row and four times what the breaker takes: the next is asked about.
expect_status 403 /secret
after=$(connections)
[ $((after - before)) -le 45 ] || fail "$((after - before)) connections to the agent for 20 requests: a fragment storm"
