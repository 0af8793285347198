#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE 700
#include "io/output.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/message.h"

/* The folder part of a path; the caller frees. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    char *folder = message_allocate(length + 1, 1, "a path");
    memcpy(folder, slash == NULL ? "." : path, length);
    return folder;
}

/* True for a device or pipe, which is written directly. */
static bool is_device(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

/* The file behind links, or the path itself if there is no file yet; the caller frees. */
static char *follow_links(const char *path) {
    char *target = realpath(path, NULL);
    if (target != NULL) return target;
    target = message_allocate(strlen(path) + 1, 1, "a path");
    memcpy(target, path, strlen(path));
    return target;
}

bool output_check(const char *flag, const char *path) {
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        message_fail("%s: cannot write '%s': it is a folder; name a file", flag, path);
    if (is_device(path)) return false;
    char *target = follow_links(path), *folder = folder_of(target);
    if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode))
        message_fail("%s: cannot write '%s': there is no folder '%s'; make it first", flag, path, folder);
    if (access(folder, W_OK) != 0)
        message_fail("%s: cannot write '%s': no permission in folder '%s'; name another folder", flag, path, folder);
    free(folder);
    free(target);
    return true;
}

/* The path that a new file would have; the caller frees. */
static char *future_path(const char *path) {
    char *target = follow_links(path), *folder = folder_of(target), *real = realpath(folder, NULL);
    const char *slash = strrchr(target, '/'), *name = slash == NULL ? target : slash + 1;
    const char *start = real == NULL ? folder : real;
    size_t size = strlen(start) + strlen(name) + 2;
    char *joined = message_allocate(size, 1, "a path");
    snprintf(joined, size, "%s/%s", start, name);
    free(real);
    free(folder);
    free(target);
    return joined;
}

bool output_same_file(const char *a, const char *b) {
    struct stat status[2];
    bool exists[2] = {stat(a, &status[0]) == 0, stat(b, &status[1]) == 0};
    if (exists[0] != exists[1]) return false;
    if (exists[0])
        return S_ISREG(status[0].st_mode) && status[0].st_dev == status[1].st_dev &&
               status[0].st_ino == status[1].st_ino;
    char *path[2] = {future_path(a), future_path(b)};
    bool same = strcmp(path[0], path[1]) == 0;
    free(path[0]);
    free(path[1]);
    return same;
}

/* `name` is what a file `base` was called while a set of files got its names: base.XXXXXX~ here, .base.XXXXXXXX.part~ in
 * the torch program. */
static bool is_former(const char *name, const char *base) {
    bool is_hidden = name[0] == '.';
    size_t start = strlen(base), length = strlen(name += is_hidden);
    const char *end = is_hidden ? ".part~" : "~";
    size_t random = is_hidden ? 8 : 6;
    return length == start + 1 + random + strlen(end) && strncmp(name, base, start) == 0 && name[start] == '.' &&
           strcmp(name + start + 1 + random, end) == 0 && strcspn(name + start + 1, ".~") == random;
}

void output_warn_of_killed(const char *flag, const char *path, message_list *warnings) {
    char *target = follow_links(path), *folder = folder_of(target);
    const char *slash = strrchr(target, '/'), *base = slash == NULL ? target : slash + 1;
    DIR *listed = opendir(folder);
    for (struct dirent *entry; listed != NULL && (entry = readdir(listed)) != NULL;)
        if (is_former(entry->d_name, base))
            message_warn(warnings,
                         "%s '%s': a run was killed while its files got their names, so the files there may be of two "
                         "runs; '%s/%s' is what was there before: rename it back, or remove it",
                         flag, path, folder, entry->d_name);
    if (listed != NULL) closedir(listed);
    free(folder);
    free(target);
}

static void free_paths(output_file *out) {
    free(out->temporary_path);
    free(out->target_path);
    free(out->former_path);
    out->temporary_path = out->target_path = out->former_path = NULL;
}

static void finish(output_set *set) {
    set->count = 0;
    if (set->held != NULL) signals_release(set->held);
    set->held = NULL;
}

/* The target as it was before: what it was is there again, or nothing. */
static void take_back(output_file *out) {
    if (out->former_path != NULL) {
        if (rename(out->former_path, out->target_path) == 0) remove(out->former_path); /* two links of one file stay */
    } else if (out->is_placed) {
        remove(out->target_path);
    }
}

static void discard(output_set *set) {
    for (int i = 0; i < set->count; i++) {
        output_file *out = &set->files[i];
        if (out->file != NULL) fclose(out->file);
        if (out->temporary_path != NULL) remove(out->temporary_path);
        take_back(out);
        free_paths(out);
    }
    finish(set);
}

static _Noreturn void fail(output_set *set, const char *path, const char *reason) {
    discard(set);
    message_fail("cannot write '%s': %s; free some space or name another folder", path, reason);
}

/* Opens a new file beside the target, with the permissions of an ordinary new file. */
static FILE *open_temporary(output_file *out) {
    static const char SUFFIX[] = ".XXXXXX";
    size_t length = strlen(out->target_path);
    char *name = message_allocate(length + sizeof SUFFIX, 1, "a path");
    memcpy(name, out->target_path, length);
    memcpy(name + length, SUFFIX, sizeof SUFFIX);
    int descriptor = mkstemp(name);
    if (descriptor < 0) {
        free(name);
        return NULL;
    }
    out->temporary_path = name;
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(descriptor, 0666 & ~mask) == 0 ? fdopen(descriptor, "wb") : NULL;
}

FILE *output_open(output_set *set, const char *path) {
    if (set->count >= OUTPUT_MAX_FILES) message_fail("internal: more than %d output files", OUTPUT_MAX_FILES);
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is then an error of write */
    if (set->held == NULL) set->held = signals_hold();
    if (signals_waiting(set->held)) fail(set, path, "interrupted"); /* by that signal, once it is unblocked */
    output_file *out = &set->files[set->count++];
    *out = (output_file){.path = path, .target_path = follow_links(path)};
    out->file = is_device(path) ? fopen(path, "wb") : open_temporary(out);
    if (out->file == NULL) fail(set, path, strerror(errno));
    return out->file;
}

static bool close_synced(output_file *out) {
    FILE *file = out->file;
    bool good = ferror(file) == 0 && fflush(file) == 0;
    if (good && out->temporary_path != NULL) good = fsync(fileno(file)) == 0;
    out->file = NULL;
    return fclose(file) == 0 && good;
}

/* Keeps what the target is now under another name, until the whole set has its names. */
static bool keep_former(output_file *out) {
    struct stat status;
    if (lstat(out->target_path, &status) != 0) return errno == ENOENT;
    size_t size = strlen(out->temporary_path) + 2;
    char *former = message_allocate(size, 1, "a path");
    snprintf(former, size, "%s~", out->temporary_path);
    bool kept = !S_ISDIR(status.st_mode) && link(out->target_path, former) == 0;
    if (!kept && S_ISDIR(status.st_mode))
        errno = EISDIR;
    else if (!kept) /* a file system without hard links has it under the other name alone for a moment */
        kept = rename(out->target_path, former) == 0;
    if (kept)
        out->former_path = former;
    else
        free(former);
    return kept;
}

/* Gives one file its name. */
static bool place(output_file *out) {
    out->is_placed = rename(out->temporary_path, out->target_path) == 0;
    if (!out->is_placed) return false;
    free(out->temporary_path);
    out->temporary_path = NULL;
    return true;
}

void output_commit(output_set *set) {
    bool is_alone = set->count == 1;
    for (int i = 0; i < set->count; i++)
        if (!close_synced(&set->files[i])) fail(set, set->files[i].path, "the disk or the file size limit is full");
    for (int i = 0; i < set->count && !is_alone; i++)
        if (set->files[i].temporary_path != NULL && !keep_former(&set->files[i]))
            fail(set, set->files[i].path, strerror(errno));
    for (int i = 0; i < set->count; i++)
        if (set->files[i].temporary_path != NULL && !place(&set->files[i]))
            fail(set, set->files[i].path, strerror(errno));
    for (int i = 0; i < set->count; i++) {
        if (set->files[i].former_path != NULL) remove(set->files[i].former_path);
        free_paths(&set->files[i]);
    }
    finish(set);
}
