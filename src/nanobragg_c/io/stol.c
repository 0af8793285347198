#include "io/stol.h"

#include <string.h>

#include "base/message.h"
#include "io/text.h"

/* Number of columns of a line, each checked to be a number. */
static int count_columns(const text_reader *reader, char *line) {
    int n = 0;
    double value = 0.0;
    line[strcspn(line, "#")] = '\0';
    for (const char *word; (word = text_cut_word(&line, TEXT_LINE_SEPARATORS)) != NULL; n++)
        if (!text_parse_real(word, &value))
            message_fail("%s: '%s' line %ld: expected a number of ordinary size, got '%.60s'; correct the file",
                         reader->flag, reader->path, reader->line, word);
    return n;
}

void stol_check(const char *flag, const char *path) {
    text_reader reader = text_open_lines(flag, path);
    long rows = 0;
    for (char *line; (line = text_next_line(&reader)) != NULL;) {
        int columns = count_columns(&reader, line);
        if (columns != 0 && columns != 2)
            message_fail("%s: '%s' line %ld has %d columns, expected 2; correct the file", flag, path, reader.line,
                         columns);
        rows += columns == 2;
    }
    if (rows == 0) message_fail("%s: '%s' holds no pair of numbers; the file must hold two columns", flag, path);
    text_close(&reader);
}
