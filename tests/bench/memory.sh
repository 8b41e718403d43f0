# What a counter weighs.
# shellcheck disable=SC2154 # run and lib.sh set them

resident() { awk '/^VmRSS/ { print $2 }' "/proc/${pid[$1]}/status"; } # kB

section "memory: one limit of 100 an hour for each client, $counters clients"
sqlite3 "$dir/memory.db" <sql/rules.sql
sqlite3 "$dir/memory.db" "INSERT INTO rules(per, requests, period) VALUES ('src', 100, 3600)"
start_agent memory "$dir/memory.db" --max-counters "$counters"
# The buffers and threads of a connection are not the counters'.
load memory --requests 1 --clients 1 >/dev/null
before=$(resident memory)
load memory --distinct --requests "$counters" --seconds 600 >/dev/null
after=$(resident memory)
awk -v before="$before" -v after="$after" -v n="$counters" 'BEGIN {
    printf "resident: %.1f MB before, %.1f MB after: %.1f bytes a counter\n", before * 1024 / 1e6, after * 1024 / 1e6, (after - before) * 1024 / n }'
stop memory
