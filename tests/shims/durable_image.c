#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include "durable_image.h"
#include "image_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A change that no sync has made durable yet. */
struct change {
    struct change *next;
    unsigned long number;
    bool is_resize;
    off_t at; /* where the bytes go, or the new size */
    size_t length;
    unsigned char bytes[];
};

struct image_file {
    struct image_file *next;
    dev_t device;
    ino_t inode;
    char *now;     /* the name that programs see, NULL once unlinked */
    char *durable; /* the name that the image has, NULL until there is one */
    struct change *first;
    struct change **last;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread bool busy;
static struct image_file *files;
static unsigned long changes;

static void *allocate(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL) image_cannot("out of memory", "");
    return memory;
}

static char *copy_of(const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(allocate(size), text, size);
}

bool image_busy(void) { return busy; }

void image_lock(void) {
    pthread_mutex_lock(&mutex);
    busy = true;
}

void image_unlock(void) {
    busy = false;
    pthread_mutex_unlock(&mutex);
}

/* The files we know. */

static struct image_file *find(const struct stat *status) {
    for (struct image_file *file = files; file != NULL; file = file->next) {
        if (file->inode == status->st_ino && file->device == status->st_dev) return file;
    }
    return NULL;
}

static struct image_file *find_durable(const char *path) {
    for (struct image_file *file = files; file != NULL; file = file->next) {
        if (file->durable != NULL && strcmp(file->durable, path) == 0) return file;
    }
    return NULL;
}

static bool image_has(const char *path) {
    char image[PATH_MAX];
    in_image(path, image);
    return access(image, F_OK) == 0;
}

static struct image_file *add(const struct stat *status, const char *path, bool existed) {
    struct image_file *file = allocate(sizeof *file);
    *file = (struct image_file){
        .next = files,
        .device = status->st_dev,
        .inode = status->st_ino,
        .now = copy_of(path),
    };
    file->last = &file->first;
    if (existed && find_durable(path) == NULL && image_has(path)) file->durable = copy_of(path);
    files = file;
    return file;
}

static void drop_changes(struct image_file *file) {
    while (file->first != NULL) {
        struct change *change = file->first;
        file->first = change->next;
        free(change);
    }
    file->last = &file->first;
}

/* A file with neither name cannot come back, whatever is still written to it. */
static void forget_if_nameless(struct image_file *file) {
    if (file->now != NULL || file->durable != NULL) return;
    struct image_file **link = &files;
    while (*link != file) link = &(*link)->next;
    *link = file->next;
    drop_changes(file);
    free(file);
}

static void set_name(char **name, const char *path) {
    char *copy = path == NULL ? NULL : copy_of(path);
    free(*name);
    *name = copy;
}

struct image_file *image_of_descriptor(int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return NULL;
    return find(&status);
}

struct image_file *image_of_name(int directory, const char *name) {
    struct stat status;
    char path[PATH_MAX];
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return NULL;
    if (!S_ISREG(status.st_mode) || !canonical(directory, name, path)) return NULL;
    if (!is_modelled(path)) return NULL;
    struct image_file *file = find(&status);
    /* Never opened for writing here, so known only if it was there from the beginning. */
    return file == NULL && image_has(path) ? add(&status, path, true) : file;
}

/* Changes. */

static void remember(struct image_file *file, bool is_resize, off_t at, const void *bytes,
                     size_t length) {
    struct change *change = allocate(sizeof *change + length);
    *change = (struct change){
        .number = ++changes, .is_resize = is_resize, .at = at, .length = length};
    if (length > 0) memcpy(change->bytes, bytes, length);
    *file->last = change;
    file->last = &change->next;
}

void image_written(struct image_file *file, off_t at, const void *bytes, size_t length) {
    remember(file, false, at, bytes, length);
}

void image_resized(struct image_file *file, off_t size) { remember(file, true, size, NULL, 0); }

/* A file that others wrote: all it holds counts as written now, nothing of it as synced. */
static void remember_contents(struct image_file *file) {
    unsigned char bytes[1 << 16];
    int source = open(file->now, O_RDONLY | O_CLOEXEC);
    if (source < 0) image_cannot("cannot read", file->now);
    off_t at = 0;
    for (ssize_t length; (length = read(source, bytes, sizeof bytes)) > 0; at += length) {
        remember(file, false, at, bytes, (size_t)length);
    }
    close(source);
}

void image_opened(int descriptor, bool existed, bool truncated) {
    struct stat status;
    char path[PATH_MAX];
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return;
    if (!descriptor_path(descriptor, path) || !is_modelled(path)) return;
    struct image_file *file = find(&status);
    if (file != NULL && !existed) {
        /* The number of an unlinked file, used again: the old one lives on only by its name. */
        file->inode = 0;
        file = NULL;
    }
    bool known = file != NULL;
    if (!known) file = add(&status, path, existed);
    if (truncated && existed) {
        image_resized(file, 0);
    } else if (!known && existed && file->durable == NULL) {
        remember_contents(file);
    }
}

void image_unlinked(struct image_file *file) {
    set_name(&file->now, NULL);
    forget_if_nameless(file);
}

void image_renamed(struct image_file *file, struct image_file *replaced, int directory,
                   const char *name) {
    char path[PATH_MAX];
    bool inside = canonical(directory, name, path) && is_modelled(path);
    if (replaced != NULL && replaced != file) image_unlinked(replaced);
    if (file != NULL) {
        set_name(&file->now, inside ? path : NULL);
        forget_if_nameless(file);
    } else if (inside) {
        struct stat status;
        if (stat(path, &status) != 0) image_cannot("renamed, but gone", path);
        if (S_ISREG(status.st_mode)) remember_contents(add(&status, path, false));
    }
}

/* Syncs. */

/* One whose durable name is not the one it has now. */
static bool is_renamed(const struct image_file *file) {
    return file->now != NULL && file->durable != NULL && strcmp(file->now, file->durable) != 0;
}

/* False while another living file still has the destination as its durable name. */
static bool make_rename_durable(struct image_file *file) {
    struct image_file *former = find_durable(file->now);
    if (former != NULL && former->now != NULL) return false;
    char from[PATH_MAX], to[PATH_MAX];
    in_image(file->durable, from);
    in_image(file->now, to);
    make_parents(to);
    if (rename(from, to) != 0) image_cannot("cannot rename", from);
    set_name(&file->durable, file->now);
    if (former != NULL) {
        set_name(&former->durable, NULL);
        forget_if_nameless(former);
    }
    return true;
}

static void make_unlink_durable(struct image_file *file) {
    char image[PATH_MAX];
    in_image(file->durable, image);
    if (unlink(image) != 0) image_cannot("cannot unlink", image);
    set_name(&file->durable, NULL);
    forget_if_nameless(file);
}

/* Gives a file without a durable name the one it has now; its durable contents begin empty. */
static void make_new_name_durable(struct image_file *file) {
    /* Who had the name before lost it earlier, so has lost it durably too. */
    struct image_file *former = find_durable(file->now);
    if (former != NULL && former->now == NULL) {
        make_unlink_durable(former);
    } else if (former != NULL && !make_rename_durable(former)) {
        image_cannot("names that changed places", file->now);
    }
    char image[PATH_MAX];
    in_image(file->now, image);
    make_parents(image);
    struct stat status;
    mode_t mode = stat(file->now, &status) == 0 ? status.st_mode & 07777 : 0600;
    int target = open(image, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (target < 0 || fchmod(target, mode) != 0) image_cannot("cannot create", image);
    close(target);
    set_name(&file->durable, file->now);
}

static void apply(int target, const struct change *change, const char *image) {
    if (change->is_resize && ftruncate(target, change->at) != 0) {
        image_cannot("cannot resize", image);
    }
    for (size_t done = 0; done < change->length;) {
        ssize_t more = pwrite(target, change->bytes + done, change->length - done,
                              change->at + (off_t)done);
        if (more <= 0) image_cannot("cannot write", image);
        done += (size_t)more;
    }
}

unsigned long image_mark(void) { return changes; }

void image_synced(int descriptor, unsigned long mark) {
    struct image_file *file = image_of_descriptor(descriptor);
    if (file == NULL) return;
    if (file->durable == NULL) make_new_name_durable(file);
    char image[PATH_MAX];
    in_image(file->durable, image);
    int target = open(image, O_WRONLY | O_CLOEXEC);
    if (target < 0) image_cannot("cannot open", image);
    while (file->first != NULL && file->first->number <= mark) {
        struct change *change = file->first;
        apply(target, change, image);
        file->first = change->next;
        if (file->first == NULL) file->last = &file->first;
        free(change);
    }
    close(target);
}

/* One change of names in this directory, renames before the rest. False once there is none. */
static bool make_one_name_durable(const char *directory) {
    bool stuck = false;
    for (struct image_file *file = files; file != NULL; file = file->next) {
        if (!is_renamed(file) || !is_in(file->now, directory)) continue;
        if (make_rename_durable(file)) return true;
        stuck = true;
    }
    if (stuck) image_cannot("names that changed places", directory);
    for (struct image_file *file = files; file != NULL; file = file->next) {
        if (file->now == NULL && is_in(file->durable, directory)) {
            make_unlink_durable(file);
            return true;
        }
        if (file->durable == NULL && is_in(file->now, directory)) {
            make_new_name_durable(file);
            return true;
        }
    }
    return false;
}

void image_directory_synced(int descriptor) {
    char directory[PATH_MAX];
    /* Any other directory has none of the names below. */
    if (!descriptor_path(descriptor, directory)) return;
    while (make_one_name_durable(directory)) {
    }
}
