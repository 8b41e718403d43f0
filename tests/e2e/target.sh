# Every form of request line that HTTP knows, and some that it does not: decided right or refused.
start_stack
rules "INSERT INTO rules(host, path, action) VALUES ('api.example.com', '/secret', 'deny');
       INSERT INTO rules(host, path, action, status) VALUES ('root.example.com', '/', 'deny', 410);
       INSERT INTO rules(method, path, action, status) VALUES ('DELETE,PATCH', '/items', 'deny', 421)"
host='Host: api.example.com\r\nConnection: close\r\n'
root='Host: root.example.com\r\nConnection: close\r\n'

expect_raw 403 "GET /secret HTTP/1.1\r\n$host\r\n"
expect_raw 403 "GET http://api.example.com/secret HTTP/1.1\r\n$host\r\n"
expect_raw 403 "GET HTTP://API.example.com/secret HTTP/1.1\r\n$host\r\n"
expect_raw 403 "GET https://api.example.com/secret?x HTTP/1.1\r\n$host\r\n"
expect_raw 403 "GET http://api.example.com:80/secret HTTP/1.1\r\n$host\r\n"
expect_raw 403 "GET http://api.example.com//secret HTTP/1.1\r\n$host\r\n"
# The host of the URL and that of the header: one of them would be the origin's.
expect_raw 400 "GET http://other.example.com/secret HTTP/1.1\r\n$host\r\n"
expect_raw 400 "GET http://api.example.com/secret HTTP/1.1\r\nHost: other.example.com\r\nConnection: close\r\n\r\n"
# No path is `/`; so is the asterisk.
expect_raw 410 "GET http://root.example.com HTTP/1.1\r\n$root\r\n"
expect_raw 410 "OPTIONS * HTTP/1.1\r\n$root\r\n"
expect_raw 410 "GET / HTTP/1.0\r\n$root\r\n"
expect_raw 200 "OPTIONS * HTTP/1.1\r\n$host\r\n"
expect_raw 400 "GET * HTTP/1.1\r\n$root\r\n"
# Neither.
expect_raw 400 "GET secret HTTP/1.1\r\n$host\r\n"
expect_raw 400 "GET http:/secret HTTP/1.1\r\n$host\r\n"
expect_raw 400 "GET api.example.com/secret HTTP/1.1\r\n$host\r\n"
expect_raw 405 "CONNECT api.example.com:80 HTTP/1.1\r\nHost: api.example.com:80\r\nConnection: close\r\n\r\n"
expect_raw 400 "CONNECT /secret HTTP/1.1\r\n$host\r\n"

# Without a Host the rules of a host would not apply, while the origin serves its default.
expect_raw 400 'GET /secret HTTP/1.0\r\n\r\n'
expect_raw 400 'GET /secret HTTP/1.1\r\nConnection: close\r\n\r\n'
expect_raw 403 'GET /secret HTTP/1.0\r\nHost: api.example.com\r\n\r\n'
expect_raw 400 'GET /secret\r\n'
expect_line "$(raw 'GET /secret HTTP/1.0\r\n\r\n')" "A request needs one Host header."
# Twice is refused, also where HAProxy takes the two for one.
expect_raw 400 "GET /secret HTTP/1.1\r\nHost: other.example.com\r\n$host\r\n"
expect_raw 400 "GET /secret HTTP/1.1\r\nhOsT: other.example.com\r\n$host\r\n"
expect_raw 403 "GET /secret HTTP/1.1\r\nhOsT: api.example.com\r\n$host\r\n"

expect_raw 421 "DELETE /items HTTP/1.1\r\n$host\r\n"
expect_raw 421 "DELETE  /items HTTP/1.1\r\n$host\r\n"
expect_raw 400 "delete /items HTTP/1.1\r\n$host\r\n"
expect_raw 400 "Delete /items HTTP/1.1\r\n$host\r\n"
expect_raw 400 "patch /items HTTP/1.1\r\n$host\r\n"
expect_raw 400 "pATCH /items HTTP/1.1\r\n$host\r\n"
expect_raw 400 "get /items HTTP/1.1\r\n$host\r\n"
# Methods that HAProxy has no name for.
expect_raw 421 "PATCH /items HTTP/1.1\r\n$host\r\n"
expect_raw 200 "M-SEARCH /items HTTP/1.1\r\n$host\r\n"
expect_raw 200 "$(repeat 32 A) /items HTTP/1.1\r\n$host\r\n"
expect_raw 400 "$(repeat 33 A) /items HTTP/1.1\r\n$host\r\n"

# A body in chunks, bare line feeds, another version: all the same request.
expect_raw 403 "POST /secret HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
expect_raw 403 "GET /secret HTTP/1.1\nHost: api.example.com\nConnection: close\n\n"
expect_raw 403 "GET /secret HTTP/1.2\r\n$host\r\n"

# What HAProxy's parser refuses never reaches the configuration: its own page, and this line in the log, as the README has it.
answer=$(raw "GET /a b HTTP/1.1\r\n$host\r\n")
expect_line "$answer" "<html><body><h1>400 Bad request</h1>"
logged() { grep -q ' api/<NOSRV> -1/-1/-1/-1/[0-9]* 400 .* PR-- .* "<BADREQ>" verdict=- ' "$TMP/haproxy.log"; }
wait_until logged
admin "show errors" | grep -q 'frontend api .*: invalid request' || fail "no trace of it: $(admin "show errors")"
