#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include "image_paths.h"
#include "durable_image.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Both canonical and without a slash at the end. */
static char directory_path[PATH_MAX];
static char image_path[PATH_MAX];

_Noreturn void image_cannot(const char *what, const char *name) {
    fprintf(stderr, "lose_unsynced: %s: %s (%s)\n", what, name, strerror(errno));
    abort();
}

static bool is_below(const char *path) {
    size_t length = strlen(directory_path);
    return strncmp(path, directory_path, length) == 0 && path[length] == '/';
}

static void read_environment(void) {
    const char *directory = getenv("LOSE_UNSYNCED_DIR");
    const char *image = getenv("LOSE_UNSYNCED_IMAGE");
    if (directory == NULL || image == NULL) return;
    if (realpath(image, image_path) == NULL) image_cannot("LOSE_UNSYNCED_IMAGE", image);
    if (realpath(directory, directory_path) == NULL) image_cannot("LOSE_UNSYNCED_DIR", directory);
    if (is_below(image_path) || strcmp(image_path, directory_path) == 0) {
        image_cannot("the image must lie elsewhere", image);
    }
}

bool image_enabled(void) {
    pthread_once(&once, read_environment);
    return directory_path[0] != '\0';
}

bool is_modelled(const char *path) {
    size_t length = strlen(path);
    return is_below(path) && (length < 4 || strcmp(path + length - 4, "-shm") != 0);
}

bool descriptor_path(int descriptor, char path[PATH_MAX]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return false;
    path[length] = '\0';
    return true;
}

bool canonical(int directory, const char *name, char path[PATH_MAX]) {
    char whole[PATH_MAX];
    if (name[0] == '/' || directory == AT_FDCWD) {
        const char *form = name[0] == '/' ? "%s" : "./%s";
        if (snprintf(whole, sizeof whole, form, name) >= PATH_MAX) return false;
    } else {
        char parent[PATH_MAX];
        if (!descriptor_path(directory, parent)) return false;
        if (snprintf(whole, sizeof whole, "%s/%s", parent, name) >= PATH_MAX) return false;
    }
    char *slash = strrchr(whole, '/');
    char last[NAME_MAX + 1];
    if (snprintf(last, sizeof last, "%s", slash + 1) > NAME_MAX) return false;
    slash[slash == whole] = '\0';
    if (realpath(whole, path) == NULL) return false;
    size_t length = strlen(path);
    return snprintf(path + length, PATH_MAX - length, "/%s", last) < (int)(PATH_MAX - length);
}

bool image_covers(int directory, const char *name) {
    char path[PATH_MAX];
    return canonical(directory, name, path) && is_below(path);
}

void in_image(const char *path, char image[PATH_MAX]) {
    const char *relative = path + strlen(directory_path);
    if (snprintf(image, PATH_MAX, "%s%s", image_path, relative) >= PATH_MAX) {
        image_cannot("name too long", path);
    }
}

bool is_in(const char *path, const char *directory) {
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && strrchr(path, '/') == path + length;
}

void make_parents(char path[PATH_MAX]) {
    char *slash = path + strlen(image_path) + 1;
    for (; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) image_cannot("cannot make", path);
        *slash = '/';
    }
}
