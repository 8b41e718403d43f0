/* One entry of a published list of addresses: "192.0.2.1", "10.1.2.3/8", "192.0.2.1-192.0.2.9", "::ffff:192.0.2.1",
 * with a comment behind it. Pure; any thread. */
#ifndef LISTS_ENTRY_H
#define LISTS_ENTRY_H

#include <stdbool.h>

#include "base/span.h"
#include "policy/address.h"

/* Without blanks (space, tab, CR, VT, FF) at both ends. */
struct span entry_trim(struct span text);

/* Whether nothing is left of the text without blanks and a comment, which begins with '#' or ';'. */
bool entry_is_blank(struct span text);

/* All addresses from `first` to `last`, of one family. */
struct entry {
    struct address first, last;
    bool           exact; /* false: a network that was written with bits behind its prefix, or as IPv4-mapped */
};

/* NULL, or why the text, which is not blank, is no entry: a phrase such as "a range that ends before it begins". */
const char *entry_parse(struct span text, struct entry *entry);

#endif
