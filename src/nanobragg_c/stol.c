#include "stol.h"

#include "message.h"
#include "text.h"

void stol_check(const char *flag, const char *path) {
    text_reader reader = text_open_words(flag, path);
    long pairs = 0;
    for (const char *word; (word = text_next_word(&reader)) != NULL; pairs++) {
        double value = 0.0;
        if (!text_parse_real(word, &value))
            message_fail("%s: '%s' line %ld: expected a number, got '%s'; the file must hold two columns", flag, path,
                         reader.line, word);
        text_next_real(&reader, "the second column");
    }
    if (pairs == 0) message_fail("%s: '%s' holds no pair of numbers; the file must hold two columns", flag, path);
    text_close(&reader);
}
