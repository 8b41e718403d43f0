/* Reading a NOTIFY: a list of messages, each a name and a list of named arguments.
 *
 *   struct spop_message m;
 *
 *   spop_message_init(&m, frame.payload);
 *   while ((r = spop_message_next(&m)) == SPOP_ITEM)
 *       while ((r = spop_arg_next(&m, &name, &value)) == SPOP_ITEM)
 *           ...
 *   r is SPOP_END when all of the payload was well-formed, SPOP_BAD otherwise.
 *
 * It is read in one pass: a fault late in the payload shows only when the walk gets there, so act on a message after
 * the walk has ended. */
#ifndef SPOP_MESSAGE_H
#define SPOP_MESSAGE_H

#include "base/span.h"
#include "spop/value.h"

/* What an iterator found. SPOP_BAD is for good: every further call on the same payload returns it. */
enum spop_iter { SPOP_ITEM, SPOP_END, SPOP_BAD };

struct spop_message {
    struct span name; /* of the current message; borrows from the payload */
    unsigned    args; /* how many it announces, 0 to 255 */

    struct span rest;      /* private: what was not read yet */
    unsigned    args_left; /* private: of the current message */
    bool        bad;       /* private */
};

/* Stands before the first message of `payload`, which must outlive `m` and everything read through it. */
void spop_message_init(struct spop_message *m, struct span payload);

/* Goes to the next message, over those arguments of the current one that were not read. SPOP_END at the end of the
 * payload. */
enum spop_iter spop_message_next(struct spop_message *m);

/* The next argument of the current message; SPOP_END after its last. An argument without a name has n == 0. `name` and
 * `value` are set only by SPOP_ITEM. */
enum spop_iter spop_arg_next(struct spop_message *m, struct span *name, struct spop_value *value);

#endif
