/* The lists that patterns name as '@list': texts, or addresses and networks. Read-only once built; any thread. */
#ifndef POLICY_LIST_H
#define POLICY_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "policy/address.h"

struct list;

/* `name` is copied. `stamp` tells one content from another: see sql/rules.sql. */
struct list *list_new(const char *name, int64_t stamp);

/* Rule sets share a list that did not change between them. One thread at a time holds and frees; the last one to free it
 * does so for good. */
struct list *list_hold(struct list *list);
void         list_free(struct list *list);

int64_t     list_stamp(const struct list *list);
const char *list_name(const struct list *list);
size_t      list_size(const struct list *list);

/* Copies the entry. Any order; what stands there twice counts once. */
void list_add(struct list *list, struct span entry);

/* After the last list_add(), before the first look-up. */
void list_finish(struct list *list);

/* Makes it usable for addresses too. False when an entry is no address or network in the form to write; then `*bad` is
 * that entry, and `remedy` (ADDRESS_TEXT_MAX + 32 bytes) says what to do about it. */
bool list_compile_addresses(struct list *list, struct span *bad, char *remedy);

bool list_holds_text(const struct list *list, struct span text);
bool list_holds_address(const struct list *list, const struct address *address);

/* Calls `fn` for each entry until it returns false. */
void list_each(const struct list *list, bool (*fn)(void *context, struct span entry), void *context);

#endif
