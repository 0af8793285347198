/* Delays the signals that end a program, so that files are finished or removed first. */
#ifndef NANOBRAGG_SIGNALS_H
#define NANOBRAGG_SIGNALS_H

#include <stdbool.h>

typedef struct signals_held signals_held;

/* Blocks interrupt, termination, hang-up and broken pipe, in this thread and in threads that it starts. */
signals_held *signals_hold(void);

/* Whether one of them is pending. */
bool signals_waiting(const signals_held *held);

/* Restores the earlier state in this thread: a pending signal takes effect now. */
void signals_release(signals_held *held);

#endif
