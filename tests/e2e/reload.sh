# Rules come into force by INSERT, UPDATE, DELETE and by another file put in place of the database; bad ones do not.
start_stack

expect_status 200 /items/1
rules "INSERT INTO rules(id, path, action) VALUES (5, '/items/1', 'deny')"
expect_status 403 /items/1
rules "UPDATE rules SET status = 404 WHERE id = 5"
expect_status 404 /items/1
rules "UPDATE rules SET enabled = 0 WHERE id = 5"
expect_status 200 /items/1
rules "UPDATE rules SET enabled = 1 WHERE id = 5"
expect_status 404 /items/1
rules "DELETE FROM rules WHERE id = 5"
expect_status 200 /items/1

# What a limit has admitted outlives a change of its number, and rules about other things.
rules "INSERT INTO rules(id, path, per, requests, period) VALUES (6, '/items/*', 'src', 2, 600)"
expect_status 200 /items/1
expect_status 200 /items/1
expect_status 429 /items/1
rules "UPDATE rules SET requests = 3 WHERE id = 6; INSERT INTO rules(path, action) VALUES ('/other', 'deny')"
expect_status 200 /items/1
expect_status 429 /items/1

# Another file renamed over it.
other=$TMP/other.db
sqlite3 "$RULES_DB" "VACUUM INTO '$other'"
sqlite3 "$other" "INSERT INTO rules(id, path, action, status) VALUES (99, '/replaced', 'deny', 410)"
mv "$other" "$RULES_DB"
replaced() { [ "$(status /replaced)" = 410 ]; }
wait_until replaced
expect_status 429 /items/1
# And it is the new file that is watched from now on.
rules "DELETE FROM rules WHERE id = 99"
expect_status 200 /replaced

# A file that is no database: the rules in force stay.
echo "this is no database" > "$other"
mv "$other" "$RULES_DB"
for i in $(seq 30); do
    expect_status 403 /other
    sleep 0.05
done
