/* Putting off the signals that end a program, so that files are finished or removed first. */
#ifndef NANOBRAGG_SIGNALS_H
#define NANOBRAGG_SIGNALS_H

#include <stdbool.h>

typedef struct signals_held signals_held;

/* From here on interrupt, termination, hang-up and broken pipe wait, in this thread and in threads that it starts. */
signals_held *signals_hold(void);

/* One of them has come since. */
bool signals_waiting(const signals_held *held);

/* As it was before in this thread: a signal that has come takes effect now. */
void signals_release(signals_held *held);

#endif
