/*
 * A disk on which every sync takes long, for programs that think theirs is quick.
 *
 *   cc -shared -fPIC -O2 slow_fsync.c -o slow_fsync.so -ldl -lpthread
 *   LD_PRELOAD=./slow_fsync.so SLOW_FSYNC_US=7000 PROGRAM
 *
 * fsync and fdatasync really sync, and then sleep until SLOW_FSYNC_US microseconds (7000 unless set)
 * have passed since the call. Syncs of different threads overlap, as on a disk with a queue.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef int sync_function(int);

static sync_function *next_function(sync_function *_Atomic *known, const char *name) {
    sync_function *function = atomic_load(known);
    if (function == NULL) {
        function = (sync_function *)dlsym(RTLD_NEXT, name);
        atomic_store(known, function);
    }
    return function;
}

static long microseconds(void) {
    static atomic_long known = -1;
    long value = atomic_load(&known);
    if (value < 0) {
        const char *text = getenv("SLOW_FSYNC_US");
        value = text == NULL ? 7000 : strtol(text, NULL, 10);
        value = value < 0 ? 0 : value;
        atomic_store(&known, value);
    }
    return value;
}

static int slowly(sync_function *really, int descriptor) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += microseconds() % 1000000 * 1000;
    until.tv_sec += microseconds() / 1000000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;

    int result = really(descriptor);
    int error = errno;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
    errno = error;
    return result;
}

int fsync(int descriptor) {
    static sync_function *_Atomic known;
    return slowly(next_function(&known, "fsync"), descriptor);
}

int fdatasync(int descriptor) {
    static sync_function *_Atomic known;
    return slowly(next_function(&known, "fdatasync"), descriptor);
}
