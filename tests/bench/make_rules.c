/* A rules database for measurements: `make_rules FILE N` writes N mixed rules and two general ones
 * (lib/mixed_rules.h). */
#include <stdio.h>
#include <stdlib.h>

#include "lib/mixed_rules.h"

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("make_rules FILE N\n", stderr);
        return 2;
    }
    mixed_rules_make(argv[1], atoi(argv[2]));
    return 0;
}
