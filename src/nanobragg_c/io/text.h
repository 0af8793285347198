/* Strict reading of numbers and of text files. */
#ifndef NANOBRAGG_TEXT_H
#define NANOBRAGG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers other than 0 are between these in size, so that no change of unit turns them into 0 or infinity. */
#define TEXT_SMALLEST_REAL 1e-280
#define TEXT_LARGEST_REAL 1e280

/* The whole word is a decimal number of ordinary size. */
bool text_parse_real(const char *word, double *value);

#define TEXT_INTEGER_LIMIT 20 /* characters */

/* The whole word is an integer that fits 32 bits with either sign. */
bool text_parse_integer(const char *word, int64_t *value);

/* The bytes of a regular file and a closing NUL; the caller frees. Ends the program if it cannot be read. */
char *text_read_file(const char *flag, const char *path, size_t *n_bytes);

#define TEXT_LINE_SEPARATORS " \t\r\v\f,;:!" /* between the columns of source files and of stol tables */
#define TEXT_FILE_LIMIT 2000000000LL /* bytes */
#define TEXT_WORD_LIMIT 127 /* no number is longer */

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
 * stays valid until the next call. Ends the program on a word that is too long. */
const char *text_next_word(text_reader *reader);

/* Next word, which must be a number; `what` names it. Ends the program otherwise. */
double text_next_real(text_reader *reader, const char *what);

/* Next line, without its line end. NULL at the end. */
char *text_next_line(text_reader *reader);

/* Cuts the next word, split at any of `separators`, out of the line at `*cursor`, which moves behind it. NULL at the
 * end of the line. */
char *text_cut_word(char **cursor, const char *separators);

#endif
