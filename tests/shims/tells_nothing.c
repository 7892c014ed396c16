/*
 * A file system that notifies nobody and whose files look the same whatever is in them, for programs that watch
 * a folder.
 *
 *   cc -shared -fPIC -O2 tells_nothing.c -o tells_nothing.so -ldl
 *   LD_PRELOAD=./tells_nothing.so PROGRAM
 *
 * inotify cannot be had. Of files whose names end in .wasm or .toml, statx tells neither node nor times, and one
 * length for all.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

typedef int statx_function(int, const char *restrict, int, unsigned, struct statx *restrict);

int inotify_init1(int flags) {
    (void)flags;
    errno = ENOSYS;
    return -1;
}

static int ends_with(const char *name, const char *end) {
    size_t length = strlen(name), of_end = strlen(end);
    return length >= of_end && strcmp(name + length - of_end, end) == 0;
}

int statx(int directory, const char *restrict name, int flags, unsigned mask, struct statx *restrict about) {
    statx_function *really = (statx_function *)dlsym(RTLD_NEXT, "statx");
    int result = really(directory, name, flags, mask, about);
    if (result == 0 && (ends_with(name, ".wasm") || ends_with(name, ".toml"))) {
        about->stx_ino = 1;
        about->stx_size = 1;
        memset(&about->stx_mtime, 0, sizeof about->stx_mtime);
        memset(&about->stx_ctime, 0, sizeof about->stx_ctime);
    }
    return result;
}
