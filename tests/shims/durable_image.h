/*
 * What a disk would still hold if the power went out now: the model behind lose_unsynced.c.
 *
 * Every regular file below one directory has two contents and two names: those that programs see
 * now, and those that are durable. The durable ones are kept as real files in a second directory,
 * the image. Between a change and the sync that makes it durable it is only in this process's
 * memory, so SIGKILL discards it, as a power cut would.
 *
 * Where POSIX leaves a choice, the model takes the worst that is allowed:
 *
 *   contents     nothing of what was written or resized after the last successful fsync or fdatasync
 *                of that file survives; a sync covers what was written before it was called.
 *   new files    the name is durable once the file was synced, or (then empty) its directory was.
 *   unlink       durable once the directory was synced: before, the old file comes back.
 *   rename       durable once the destination's directory was synced: before, both names are as they
 *                were. Then it happens at once: a replaced file is there, or its successor.
 *   directories  are made in the image where a durable file needs them; empty ones are not kept.
 *
 * What is not modelled ends the program with a message rather than giving a wrong image: renaming
 * directories, exchanging names, hard links, holes, O_SYNC. Not seen at all: writes through a
 * mapping, through io_uring, and system calls made without the C library; symbolic links.
 * SQLite's "-shm" files are left out: they are rebuilt, never recovered.
 */
#ifndef DURABLE_IMAGE_H
#define DURABLE_IMAGE_H

#include <stdbool.h>
#include <sys/types.h>

struct image_file;

/* Everything below happens between these two. They do not nest, see image_busy. */
void image_lock(void);
void image_unlock(void);

/* Whether this thread is inside: then a call that arrives at the shim is the model's own. */
bool image_busy(void);

/* Nothing is modelled unless the environment asks for it. */
bool image_enabled(void);

/* The file behind a descriptor, or NULL if it is not modelled. */
struct image_file *image_of_descriptor(int descriptor);

/* The file with this name, or NULL. A final symbolic link is not followed. */
struct image_file *image_of_name(int directory, const char *name);

/* A descriptor was opened for writing; `existed` tells about the moment before. */
void image_opened(int descriptor, bool existed, bool truncated);

void image_written(struct image_file *file, off_t at, const void *bytes, size_t length);
void image_resized(struct image_file *file, off_t size);
void image_unlinked(struct image_file *file);

/* `file` or `replaced` may be NULL. The names are as given to rename, after it succeeded. */
void image_renamed(struct image_file *file, struct image_file *replaced, int directory,
                   const char *name);

/* A mark for "all changes so far", and what a successful sync of a file that began then did. */
unsigned long image_mark(void);
void image_synced(int descriptor, unsigned long mark);
void image_directory_synced(int descriptor);

/* Ends the program: the image would be wrong from here on. */
_Noreturn void image_cannot(const char *what, const char *name);

/* Whether a name lies below the directory that is modelled. */
bool image_covers(int directory, const char *name);

#endif
