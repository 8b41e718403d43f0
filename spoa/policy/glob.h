/* SQLite's GLOB, to the letter, so that an operator can try a pattern with `SELECT '/items/1' GLOB path`. Pure; any
 * thread.
 *
 * '*' is any run of characters, '/' included; '?' is one character; '[abc]', '[a-z]' and '[^a-z]' are one of a set, in
 * which ']' comes first to stand for itself. A set that is not closed matches nothing. Characters are read as SQLite
 * reads UTF-8. */
#ifndef POLICY_GLOB_H
#define POLICY_GLOB_H

#include "base/span.h"

/* A NUL byte is a character like any other (SQL text cannot hold one). No recursion: only the last '*' is ever tried
 * again, which is enough, since an earlier one can only take over what a later one could. What follows a '*' is looked
 * for in linear time where it is literal; with wild cards in it, each place where its literal beginning stands is
 * tried. */
bool glob_match(struct span pattern, struct span text);

/* The same in at most about `*steps` steps beyond those that a pattern without surprises takes, which are free. What it
 * took is subtracted; 0 is left when it gave up, and the result then means nothing. */
bool glob_match_within(struct span pattern, struct span text, size_t *steps);

/* Whether `pattern` holds '*', '?' or '['. */
bool glob_is_pattern(struct span pattern);

/* Whether every '[' of `pattern` is closed. */
bool glob_is_closed(struct span pattern);

#endif
