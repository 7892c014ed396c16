/* Names below the modelled directory, and what they are called in the image. */
#ifndef IMAGE_PATHS_H
#define IMAGE_PATHS_H

#include <limits.h>
#include <stdbool.h>

/* Below the modelled directory, and not a file that is left out. `path` is canonical. */
bool is_modelled(const char *path);

/* Directly in this directory; both are canonical. */
bool is_in(const char *path, const char *directory);

/* The absolute name, all links in its parent resolved. False where the parent does not exist. */
bool canonical(int directory, const char *name, char path[PATH_MAX]);

/* The name that a descriptor was opened by, canonical. */
bool descriptor_path(int descriptor, char path[PATH_MAX]);

/* Where the image keeps the durable contents of this name. */
void in_image(const char *path, char image[PATH_MAX]);

/* Makes the directories that a name in the image needs. */
void make_parents(char image[PATH_MAX]);

#endif
