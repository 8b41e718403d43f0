# Without a socket: one decision, and what a change of the rules does.
# shellcheck disable=SC2154 # run and lib.sh set them

section 'one decision in process'
if [ "$quick" ]; then
    "$bin/match" 10000
else
    "$bin/match"
    section 'a change of one rule among many'
    "$bin/reload"
fi

section 'a line of the log feed'
"$bin/feed"

if [ -z "$quick" ]; then
    section 'the tallies'
    "$bin/tally"
fi
