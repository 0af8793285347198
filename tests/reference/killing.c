/* Loaded before the C library: kills the process before its system call of number KILL_AT that changes a name. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>

static void count(void) {
    static int calls;
    const char *at = getenv("KILL_AT");
    if (at != NULL && ++calls == atoi(at)) raise(SIGKILL);
}

int rename(const char *from, const char *to) {
    count();
    int (*next)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    return next(from, to);
}

int link(const char *from, const char *to) {
    count();
    int (*next)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "link");
    return next(from, to);
}

int remove(const char *path) {
    count();
    int (*next)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "remove");
    return next(path);
}
