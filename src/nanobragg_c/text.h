/* Strict reading of numbers and of text files. */
#ifndef NANOBRAGG_TEXT_H
#define NANOBRAGG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The whole word is a finite decimal number. */
bool text_parse_real(const char *word, double *value);

/* The whole word is an integer that fits 32 bits. */
bool text_parse_integer(const char *word, int64_t *value);

/* The bytes of a regular file and a closing NUL; the caller frees. Ends the program if it cannot be read. */
char *text_read_file(const char *flag, const char *path, size_t *n_bytes);

#define TEXT_WORD_LIMIT 127 /* longer words are cut; no number is that long */

/* Read a file either by words or by lines, not both. */
typedef struct text_reader {
    const char *flag, *path; /* for messages */
    char *buffer, *cursor;
    long line; /* of the last word or line read, from 1 */
    char word[TEXT_WORD_LIMIT + 1];
} text_reader;

/* Ends the program if the file cannot be read or is not text. */
text_reader text_open_words(const char *flag, const char *path);
text_reader text_open_lines(const char *flag, const char *path);
void text_close(text_reader *reader);

/* Next word, split at white space; `#` starts a comment that ends with the line. NULL at the end. The word
 * stays valid until the next call. */
const char *text_next_word(text_reader *reader);

/* Next word, which must be a number; `what` names it. Ends the program otherwise. */
double text_next_real(text_reader *reader, const char *what);

/* Next line that holds more than white space and comment, its comment cut off. NULL at the end. */
char *text_next_line(text_reader *reader);

#endif
