/* Counters in files: the live image, in which a table keeps them and which outlives its process, and snapshots of it
 * for reboots. Both begin with a header and the state of each shard. In a live image the shards follow as table.h lays
 * them out, with holes where nothing is used; in a snapshot without.
 *
 * A live image is read after its process has died, however it died: what it was changing at that moment is undone. It
 * is of use during one boot of the machine, because the kernel writes its pages in any order: after a power failure it
 * may hold anything. A snapshot carries checksums, and is good or refused.
 *
 * Reading one fills a new table, of whatever size. Keys are hashes, so the new table must have the seed of the
 * image. */
#ifndef LIMITS_IMAGE_H
#define LIMITS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/moment.h"
#include "limits/limits.h"

#define IMAGE_BOOT_SIZE 37 /* of the text of a boot's id, with its NUL */

struct image {
    int           fd;
    uint64_t      seed;
    uint64_t      run; /* of the agent that wrote it: of two images of one run, the live one is the newer */
    uint64_t      max_counters;
    int64_t       ahead_us; /* as in struct table */
    struct moment saved;    /* of a snapshot; live: when the image was made */
    bool          is_live;
    char          boot[IMAGE_BOOT_SIZE];
};

/* Reads the header of a file opened for reading; of a snapshot, all of it. NULL, or why it is of no use, a sentence
 * without the file's name. `boot`: of this boot. */
const char *image_open(struct image *image, int fd, const char *boot);

/* Fills an empty table made with image.seed. Time goes on: where the image is of another boot, by the time of day, but
 * never back. What has expired is left out. False: the file cannot be read. Before any other thread uses the table. */
bool image_restore(const struct image *image, struct limits *limits, const char *boot, struct moment now);

/* Makes the table's own file a live image, once it has all that was restored. `run`: a number that no other run has;
 * snapshots will have it too. */
void image_begin(struct limits *limits, const char *boot, uint64_t run, struct moment now);

/* Writes a snapshot to an empty file. Shards are copied one after the other, each under its lock (for 0.1 ms in a table
 * of a million counters, 0.5 ms in one of 16 million); the disk is waited for without any. `in_use`: there is a pause
 * before each. Any thread. False: errno. */
bool image_save(struct limits *limits, int fd, const char *boot, struct moment now, bool in_use);

#endif
