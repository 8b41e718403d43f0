/* Runs a fuzz target over files that are there, where no libFuzzer is: the corpora, and what fuzzing found.
 *
 *   fuzz_normalise tests/fuzz/corpus/fuzz_normalise crash-1f3a
 *
 * Each argument is a file or a directory of files. Ends with 1 when there was none, so that a moved corpus shows. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t replayed;

static void fail(const char *path)
{
    fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
    exit(1);
}

/* In a block of just the file's size, so that a sanitizer sees any byte that is read beyond. */
static void replay_file(const char *path, size_t size)
{
    FILE    *file = fopen(path, "rb");
    uint8_t *data = malloc(size);

    if (file == NULL || (size > 0 && data == NULL))
        fail(path);
    if (fread(data, 1, size, file) != size) {
        fprintf(stderr, "replay: %s: could not be read whole\n", path);
        exit(1);
    }
    fclose(file);
    /* A crash says nothing of its own: what was read last is the input. */
    if (getenv("REPLAY_VERBOSE") != NULL)
        fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    replayed++;
}

static void replay(const char *path)
{
    struct dirent **entries;
    struct stat     st;
    int             n;

    if (stat(path, &st) != 0)
        fail(path);
    if (!S_ISDIR(st.st_mode)) {
        replay_file(path, (size_t)st.st_size);
        return;
    }
    n = scandir(path, &entries, NULL, alphasort);
    if (n < 0)
        fail(path);
    for (int i = 0; i < n; i++) {
        char child[4096];

        snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            replay(child);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char *argv[])
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%s: %zu inputs\n", argv[0], replayed);
    return replayed == 0;
}
