#define _POSIX_C_SOURCE 200809L
#include "base/signals.h"

#include <signal.h>
#include <stdlib.h>

#include "base/message.h"

struct signals_held {
    sigset_t ending, before;
};

/* For example `nohup` ignores the hang-up signal. */
static bool is_ignored(int number) {
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

signals_held *signals_hold(void) {
    static const int ENDING[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    signals_held *held = message_allocate(1, sizeof *held, "signals");
    sigemptyset(&held->ending);
    for (size_t i = 0; i < sizeof ENDING / sizeof ENDING[0]; i++)
        if (!is_ignored(ENDING[i])) sigaddset(&held->ending, ENDING[i]);
    pthread_sigmask(SIG_BLOCK, &held->ending, &held->before);
    return held;
}

bool signals_waiting(const signals_held *held) {
    sigset_t pending;
    sigpending(&pending);
    for (int number = 1; number < 32; number++)
        if (sigismember(&held->ending, number) == 1 && sigismember(&pending, number) == 1) return true;
    return false;
}

void signals_release(signals_held *held) {
    sigset_t before = held->before;
    free(held);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
