/* Output files appear completely or not at all: written beside the target, synced, and renamed when all are written. If
 * one cannot get its final name, the others lose theirs again, and files of that name that were there before come back.
 * Signals that end the program are delayed meanwhile, so the files are complete or removed. Devices and pipes
 * (/dev/null) are written directly. */
#ifndef NANOBRAGG_OUTPUT_H
#define NANOBRAGG_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/message.h"
#include "base/signals.h"

#define OUTPUT_MAX_FILES 8

typedef struct output_file {
    const char *path;     /* as the user named it */
    char *target_path;    /* links followed */
    char *temporary_path; /* NULL: a device, or a file that has its name */
    char *former_path;    /* what had the name before, while the set is incomplete; NULL: nothing */
    bool is_placed;
    FILE *file;
} output_file;

typedef struct output_set {
    output_file files[OUTPUT_MAX_FILES];
    int count;
    signals_held *held; /* NULL: no file is open */
} output_set;

/* Ends the program if `path` could not be written; creates nothing. False: it is a device or a pipe. */
bool output_check(const char *flag, const char *path);

/* Warns of what a run that was killed amid giving its files their names has left beside `path`. */
void output_warn_of_killed(const char *flag, const char *path, message_list *warnings);

/* Whether both paths lead to the same file, which may not exist yet. Devices and pipes are never the same. */
bool output_same_file(const char *a, const char *b);

/* A file to write to; ends the program, removing all temporary files of the set, if it cannot be made. */
FILE *output_open(output_set *set, const char *path);

/* Syncs and closes all files, then gives them their names. Ends the program, with all targets as they were, if anything
 * could not be written. */
void output_commit(output_set *set);

#endif
