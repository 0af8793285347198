/* Errors, warnings and checked memory. An error is one line on stderr and exit code 2. */
#ifndef NANOBRAGG_MESSAGE_H
#define NANOBRAGG_MESSAGE_H

#include <stddef.h>

#define MESSAGE_EXIT_CODE 2

/* Prints `nanobragg: error: ...` and ends the program. Say what was read, where, what was expected, what to do. */
_Noreturn void message_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Warnings wait in a list until the whole input is accepted, so that an error stays one line. */
typedef struct message_list message_list;

message_list *message_list_create(void);
void message_list_free(message_list *list);

/* Adds `nanobragg: warning: ...`. */
void message_warn(message_list *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints and empties the list. */
void message_list_print(message_list *list);

/* `count` zeroed elements of `size` bytes, never NULL; `what` names them in the error. The caller frees. */
void *message_allocate(size_t count, size_t size, const char *what);

/* `old` grown to `count` elements of `size` bytes, never NULL. */
void *message_reallocate(void *old, size_t count, size_t size, const char *what);

#endif
