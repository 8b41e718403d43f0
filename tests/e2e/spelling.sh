# However /items/1 of api.example.com is spelled, it meets the limit of /items/* (429) or is refused (400).
start_stack
rules "INSERT INTO rules(host, path, requests, period) VALUES ('api.example.com', '/items/*', 1, 600)"
expect_status 200 /items/1 -H 'Host: api.example.com'
expect_status 200 /items/1 -H 'Host: other.example.com'

while read -r path; do
    expect_status 429 "$path" -H 'Host: api.example.com'
done << 'PATHS'
/items/1
//items/1
/items//1
///items///1
/./items/1
/items/./1
/items/1/
/items/1?x=1
/items/1?
/items/1?a=/../..
/items/1?/%2e%2e/
/%69tems/1
/%69%74%65%6d%73/1
/%69%74%65%6D%73/%31
/items/%31
/items/1%20
/items/1%c3%a9
/items/1%C3%A9
/items/%3f
/items/;x
/items/%2525
/items/50%25
/items/..x
/items/%e2%82%ac
/items/%e0%a4%85
/items/%f0%9f%90%98
PATHS

while read -r path; do
    expect_status 400 "$path" -H 'Host: api.example.com'
done << 'PATHS'
/x/../items/1
/../items/1
/items/../items/1
/items/1/..
/..
/items/..;/items/1
/items/..;x=1/items/1
/items%2f1
/items%2F1
/items%5c1
/items%5C1
/items\1
/%2e/items/1
/%2E/items/1
/x/%2e%2e/items/1
/x/.%2e/items/1
/x/%2e./items/1
/items/1%00
/items%0a/1
/items%09/1
/items%7f/1
/items/%
/items/%1
/items/%zz
/items/%u0031
/items/1%
/public/..%3b/admin
/public/..%20/admin
/public/..%09/admin
/public/%252e%252e/admin
/public/%252E./admin
/public%252fadmin
/public%255cadmin
/public%25252fadmin
/public/%c0%ae%c0%ae/admin
/public%C0%AFadmin
/public%c1%9cadmin
/public%e0%80%afadmin
/public%f0%80%80%afadmin
PATHS

while read -r host; do
    expect_status 429 /items/1 -H "Host: $host"
done << 'HOSTS'
API.example.com
api.EXAMPLE.com
api.example.com.
api.example.com:80
api.example.com:18080
API.example.com.:80
HOSTS

while read -r host; do
    expect_raw 400 "GET /items/1 HTTP/1.1\r\nHost:$host\r\nConnection: close\r\n\r\n"
done << 'HOSTS'
api.example.com..
.api.example.com
api..example.com
api.example.com,other
api.example.com other
other,api.example.com
user@api.example.com
api.example.com:
api.example.com:x
api.example.com:80:80
%%61pi.example.com
api.example.com/
api.example.com#
api.example.com\xe9
[::1

HOSTS
expect_raw 429 'GET /items/1 HTTP/1.1\r\nhOST: \t api.example.com \t \r\nConnection: close\r\n\r\n'

expect_raw 400 'GET /items/1#x HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n'
expect_raw 400 'GET %%2fitems/1 HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n'

# Bytes that no path may have.
for byte in '\x01' '\t' '\x7f' '\xe9' '\000'; do
    expect_raw 400 "GET /items/1${byte}2 HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n"
done
