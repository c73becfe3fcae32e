/* Makes the end of a process take a second longer, once all its libraries have been taken apart: time
   for a thread that still runs to notice. Without it there is only as much as the kernel needs. */

#include <stddef.h>
#include <unistd.h>

/* Not atexit(): what is registered by that is called when this library ends, and not the last. */
extern int __cxa_atexit(void (*function)(void *), void *argument, void *library);

static void linger(void *unused) {
    (void)unused;
    sleep(1);
}

__attribute__((destructor)) static void when_libraries_end(void) {
    __cxa_atexit(linger, NULL, NULL);
}
