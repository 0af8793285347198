/* The text of SMV headers as ADSC, d*TREK, fabio and nanoBragg write them: `{`, fields KEY=value, `}`. A field ends
 * with `;` or with its line. A value that begins with `{` ends with the brace that closes it, so the header ends with the
 * first `}` in the place of a field, or the one after which the header holds nothing more. */
#ifndef NANOBRAGG_SMV_HEADER_H
#define NANOBRAGG_SMV_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#define SMV_BLOCK_BYTES 512
#define SMV_WORD_SIZE 128

typedef struct smv_text {
    char *start; /* behind the opening brace; a copy */
    size_t length;
    size_t header_bytes; /* where the pixels begin */
} smv_text;

/* Ends the program if the bytes of the file do not begin with a header. Free `start`. */
smv_text smv_header_read(const char *flag, const char *path, const char *bytes, size_t n_bytes);

/* Copies the value of the last field with this key, capitals or not; empty if there is none. A value that is too long
 * for a number, or holds a zero byte, does not count as a number. */
bool smv_header_value(const smv_text *text, const char *key, char word[SMV_WORD_SIZE]);

/* Whether there is a field whose key ends so, as d*TREK's keys do after the name of a detector. */
bool smv_header_ends_with(const smv_text *text, const char *tail);

/* The same, and the value of the first such field; keys that begin with `but_not` do not count. */
bool smv_header_tail_value(const smv_text *text, const char *tail, const char *but_not, char word[SMV_WORD_SIZE]);

/* One to nine digits. */
bool smv_header_parse_count(const char *word, int *value);

#endif
