/*
 * A disk that forgets everything that was not synced when the program was killed.
 *
 *   cc -shared -fPIC -O2 -o lose_unsynced.so lose_unsynced.c durable_image.c image_paths.c \
 *      -ldl -lpthread
 *   LD_PRELOAD=./lose_unsynced.so LOSE_UNSYNCED_DIR=data LOSE_UNSYNCED_IMAGE=image PROGRAM
 *
 * Both directories exist, `image` begins as a copy of `data`, and neither lies in the other. The
 * program works on the real files as usual. After `kill -9`, `image` holds what a power cut would
 * have left; put it in place of `data`. What counts as left is written in durable_image.h.
 *
 * This file only catches the calls. One lock is held from just before a call until it is entered in
 * the model, so the order there is the order that the kernel saw; it is not held during a sync.
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include "durable_image.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "the names with and without 64 are one function here");

/* Declares `really`, the C library's own function of this name. */
#define REALLY(name)                                                                   \
    static void *_Atomic known_##name;                                                 \
    if (atomic_load(&known_##name) == NULL) {                                          \
        atomic_store(&known_##name, dlsym(RTLD_NEXT, #name));                          \
    }                                                                                  \
    __typeof__(&name) really = (__typeof__(&name))atomic_load(&known_##name)

static bool is_watching(void) { return !image_busy() && image_enabled(); }

/* The modelled file behind a descriptor, with the lock held; or NULL, without. */
static struct image_file *enter(int descriptor) {
    struct stat status;
    if (!is_watching()) return NULL;
    /* Sockets and pipes may block: never with the lock held. */
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return NULL;
    image_lock();
    struct image_file *file = image_of_descriptor(descriptor);
    if (file == NULL) image_unlock();
    return file;
}

/* Leaves what `enter` entered; errno is the caller's. */
static void leave(int error) {
    image_unlock();
    errno = error;
}

/* Opening. The C library's other names for it all mean openat. */

static int open_really(int directory, const char *path, int flags, mode_t mode) {
    REALLY(openat);
    return really(directory, path, flags, mode);
}

static int open_watched(int directory, const char *path, int flags, mode_t mode) {
    bool may_change = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
    struct stat status;
    /* Opening a pipe may block: not with the lock held. */
    if (!may_change || !is_watching() || !image_covers(directory, path) ||
        (fstatat(directory, path, &status, 0) == 0 && !S_ISREG(status.st_mode))) {
        return open_really(directory, path, flags, mode);
    }
    if ((flags & O_DSYNC) != 0) image_cannot("O_SYNC is not modelled", path);
    image_lock();
    bool existed = fstatat(directory, path, &status, 0) == 0;
    int descriptor = open_really(directory, path, flags, mode);
    int error = errno;
    if (descriptor >= 0) image_opened(descriptor, existed, (flags & O_TRUNC) != 0);
    leave(error);
    return descriptor;
}

static mode_t mode_of(int flags, va_list rest) {
    bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    return creates ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_watched(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_watched(directory, path, flags, mode);
}

int creat(const char *path, mode_t mode) {
    return open_watched(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

/* Writing. */

static void written(struct image_file *file, off_t at, const struct iovec *parts, ssize_t length) {
    for (; length > 0; parts++) {
        size_t part = parts->iov_len < (size_t)length ? parts->iov_len : (size_t)length;
        if (part > 0) image_written(file, at, parts->iov_base, part);
        at += (off_t)part;
        length -= (ssize_t)part;
    }
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    REALLY(writev);
    struct image_file *file = enter(descriptor);
    ssize_t length = really(descriptor, parts, count);
    if (file != NULL) {
        int error = errno;
        /* After the call, because with O_APPEND only the kernel knows where it wrote. */
        written(file, lseek(descriptor, 0, SEEK_CUR) - length, parts, length);
        leave(error);
    }
    return length;
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    REALLY(write);
    struct image_file *file = enter(descriptor);
    ssize_t done = really(descriptor, bytes, length);
    if (file != NULL) {
        int error = errno;
        off_t at = lseek(descriptor, 0, SEEK_CUR) - done;
        if (done > 0) image_written(file, at, bytes, (size_t)done);
        leave(error);
    }
    return done;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t at) {
    REALLY(pwrite);
    struct image_file *file = enter(descriptor);
    ssize_t done = really(descriptor, bytes, length, at);
    if (file != NULL) {
        int error = errno;
        if (done > 0) image_written(file, at, bytes, (size_t)done);
        leave(error);
    }
    return done;
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t at) {
    REALLY(pwritev);
    struct image_file *file = enter(descriptor);
    ssize_t length = really(descriptor, parts, count, at);
    if (file != NULL) {
        int error = errno;
        written(file, at, parts, length);
        leave(error);
    }
    return length;
}

/* Copying within the kernel would pass us by: callers fall back to reading and writing. */

ssize_t copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t length,
                        unsigned int flags) {
    REALLY(copy_file_range);
    if (enter(to) == NULL) return really(from, from_at, to, to_at, length, flags);
    leave(EXDEV);
    return -1;
}

ssize_t sendfile(int to, int from, off_t *at, size_t length) {
    REALLY(sendfile);
    if (enter(to) == NULL) return really(to, from, at, length);
    leave(EINVAL);
    return -1;
}

/* Resizing. */

static void resized(struct image_file *file, int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) == 0) image_resized(file, status.st_size);
}

int ftruncate(int descriptor, off_t size) {
    REALLY(ftruncate);
    struct image_file *file = enter(descriptor);
    int result = really(descriptor, size);
    if (file != NULL) {
        int error = errno;
        if (result == 0) resized(file, descriptor);
        leave(error);
    }
    return result;
}

int fallocate(int descriptor, int mode, off_t at, off_t length) {
    REALLY(fallocate);
    struct image_file *file = enter(descriptor);
    if (file != NULL && mode != 0) image_cannot("fallocate", "holes are not modelled");
    int result = really(descriptor, mode, at, length);
    if (file != NULL) {
        int error = errno;
        if (result == 0) resized(file, descriptor);
        leave(error);
    }
    return result;
}

int posix_fallocate(int descriptor, off_t at, off_t length) {
    REALLY(posix_fallocate);
    struct image_file *file = enter(descriptor);
    int result = really(descriptor, at, length);
    if (file != NULL) {
        if (result == 0) resized(file, descriptor);
        leave(errno);
    }
    return result;
}

/* Names. */

int unlinkat(int directory, const char *path, int flags) {
    REALLY(unlinkat);
    if (!is_watching()) return really(directory, path, flags);
    image_lock();
    struct image_file *file = image_of_name(directory, path);
    int result = really(directory, path, flags);
    int error = errno;
    if (result == 0 && file != NULL) image_unlinked(file);
    leave(error);
    return result;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int renameat2(int from_directory, const char *from, int to_directory, const char *to,
              unsigned int flags) {
    REALLY(renameat2);
    if (!is_watching()) return really(from_directory, from, to_directory, to, flags);
    struct stat status;
    bool inside = image_covers(from_directory, from) || image_covers(to_directory, to);
    if (inside && fstatat(from_directory, from, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        (S_ISDIR(status.st_mode) || (flags & ~RENAME_NOREPLACE) != 0)) {
        image_cannot("renaming directories and exchanging names are not modelled", from);
    }
    image_lock();
    struct image_file *file = image_of_name(from_directory, from);
    struct image_file *replaced = image_of_name(to_directory, to);
    int result = really(from_directory, from, to_directory, to, flags);
    int error = errno;
    if (result == 0) image_renamed(file, replaced, to_directory, to);
    leave(error);
    return result;
}

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    return renameat2(from_directory, from, to_directory, to, 0);
}

int rename(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
    REALLY(linkat);
    if (is_watching() && image_covers(to_directory, to)) {
        image_cannot("hard links are not modelled", to);
    }
    return really(from_directory, from, to_directory, to, flags);
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

/* Syncs. */

static int synced(int (*really)(int), int descriptor) {
    struct stat status;
    if (!is_watching() || fstat(descriptor, &status) != 0) return really(descriptor);
    bool is_directory = S_ISDIR(status.st_mode);
    if (!is_directory && !S_ISREG(status.st_mode)) return really(descriptor);

    image_lock();
    unsigned long mark = image_mark();
    /* A file's changes carry numbers, names do not: those wait until the directory is synced. */
    if (!is_directory) image_unlock();
    int result = really(descriptor);
    int error = errno;
    if (!is_directory) image_lock();
    if (result == 0 && is_directory) image_directory_synced(descriptor);
    if (result == 0 && !is_directory) image_synced(descriptor, mark);
    leave(error);
    return result;
}

int fsync(int descriptor) {
    REALLY(fsync);
    return synced(really, descriptor);
}

int fdatasync(int descriptor) {
    REALLY(fdatasync);
    return synced(really, descriptor);
}

/* The names that programs built for large files use. */

#define SAME_AS(name) __attribute__((alias(#name), copy(name)))

int open64(const char *path, int flags, ...) SAME_AS(open);
int openat64(int directory, const char *path, int flags, ...) SAME_AS(openat);
int creat64(const char *path, mode_t mode) SAME_AS(creat);
ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off_t at) SAME_AS(pwrite);
ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off_t at) SAME_AS(pwritev);
ssize_t sendfile64(int to, int from, off_t *at, size_t length) SAME_AS(sendfile);
int ftruncate64(int descriptor, off_t size) SAME_AS(ftruncate);
int fallocate64(int descriptor, int mode, off_t at, off_t length) SAME_AS(fallocate);
int posix_fallocate64(int descriptor, off_t at, off_t length) SAME_AS(posix_fallocate);
