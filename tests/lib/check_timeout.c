/* Check ends a test after 4 seconds unless told otherwise, which a busy machine with sanitizers exceeds. Every test program is linked
 * with this file, so that the limit only ends tests that hang. CK_DEFAULT_TIMEOUT in the environment sets another limit. */
#include <stdlib.h>

#define TEST_TIMEOUT_S "1200"

__attribute__((constructor)) static void set_timeout(void)
{
    setenv("CK_DEFAULT_TIMEOUT", TEST_TIMEOUT_S, 0);
}
