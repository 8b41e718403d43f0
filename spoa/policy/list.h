/* The lists that patterns name as '@list': texts, or addresses and networks. Once finished, a list is read by any
 * thread. One call may still change it, list_compile_addresses(), since a list that did not change is shared by the
 * rule set in force and the one being built: see there. */
#ifndef POLICY_LIST_H
#define POLICY_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "policy/address.h"

struct list;

/* `name` is copied. `fingerprint` is a hash of the entries to come, made by who reads them: it tells one content from
 * another. */
struct list *list_new(const char *name, uint64_t fingerprint);

/* Rule sets share a list that did not change between them. One thread at a time holds and frees; the last one to free
 * it does so for good. */
struct list *list_hold(struct list *list);
void         list_free(struct list *list);

uint64_t    list_fingerprint(const struct list *list);
const char *list_name(const struct list *list);
size_t      list_size(const struct list *list); /* entries added: one that stands there twice counts twice */

/* Copies the entry. Any order; one that stands there twice is found as if it stood there once. */
void list_add(struct list *list, struct span entry);

/* After the last list_add(), before the first look-up. */
void list_finish(struct list *list);

/* Whether an entry can be looked up as an address or a network. Else `remedy` (LIST_REMEDY_MAX bytes) says what to write
 * instead. The schema's view list_entries judges alike. */
#define LIST_REMEDY_MAX (ADDRESS_TEXT_MAX + 32)
bool list_entry_parse(struct span entry, struct network *network, char *remedy);

/* Makes it usable for addresses too. False when an entry is no address or network in the form to write; then `*bad` is
 * that entry, the first, and `remedy` (LIST_REMEDY_MAX bytes) says what to do about it. Only the one thread that builds rule
 * sets may call it, also while others look texts up in the list: it writes nothing that those read, and nobody asks for
 * addresses before a rule set that does is published. */
bool list_compile_addresses(struct list *list, struct span *bad, char *remedy);

bool list_holds_text(const struct list *list, struct span text);
bool list_holds_address(const struct list *list, const struct address *address);

/* Calls `fn` for each entry until it returns false. */
void list_each(const struct list *list, bool (*fn)(void *context, struct span entry), void *context);

#endif
