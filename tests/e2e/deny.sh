# A deny rule: 403, or the status it names, each of those that the schema allows; nothing of a limit in the answer.
start_stack

sql="INSERT INTO rules(id, path, action) VALUES (77, '/secret', 'deny');"
statuses="400 401 403 404 410 413 421 422 425 429 500 503"
for code in $statuses; do
    sql="$sql INSERT INTO rules(path, action, status) VALUES ('/s/$code', 'deny', $code);"
done
rules "$sql"

answer=$(get /secret)
expect_line "$answer" "HTTP/1.1 403 Forbidden"
expect_line "$answer" "content-type: text/plain"
expect_line "$answer" "Denied by rule 77."
expect_no_line "$answer" '^(retry-after|ratelimit)'

for code in $statuses; do
    expect_status "$code" "/s/$code"
done
expect_status 200 /public

# It never reaches the origin, whatever the method; the body that comes with it does no harm to the next request.
expect_status 403 /secret -X DELETE
expect_status 403 /secret -d "$(repeat 20000 x)"
both=$(raw 'POST /secret HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /public HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
expect_line "$both" "HTTP/1.1 403 Forbidden"
expect_line "$both" "GET /public"
