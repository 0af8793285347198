#include "io/source_file.h"

#include "base/message.h"
#include "io/text.h"

#define SOURCE_COLUMNS 5

/* Reads the numbers of a line over the defaults in `column`. False: the line is blank. */
static bool parse_columns(const text_reader *reader, char *line, double column[SOURCE_COLUMNS]) {
    int n = 0;
    for (const char *word; (word = text_cut_word(&line, TEXT_LINE_SEPARATORS)) != NULL; n++)
        if (n >= SOURCE_COLUMNS || !text_parse_real(word, &column[n]))
            message_fail(
                "-sourcefile: '%s' line %ld: '%.60s' does not fit, expected up to five numbers X Y Z weight "
                "wavelength (m); correct the file",
                reader->path, reader->line, word);
    return n > 0;
}

static source make_source(const text_reader *reader, const double column[SOURCE_COLUMNS]) {
    source s = {.position_m = vec_make(column[0], column[1], column[2]),
                .weight = column[3],
                .wavelength_m = column[4],
                .term_factor = 1.0};
    double distance_m = vec_length(s.position_m);
    if (!(distance_m >= OPTIONS_SHORTEST_M && distance_m <= OPTIONS_LONGEST_M))
        message_fail(
            "-sourcefile: '%s' line %ld: the position %g %g %g has no direction; give a source away from the sample",
            reader->path, reader->line, column[0], column[1], column[2]);
    if (!(s.weight >= 0.0))
        message_fail("-sourcefile: '%s' line %ld: weight %g, expected at least 0; correct the file", reader->path,
                     reader->line, s.weight);
    if (!(s.wavelength_m >= OPTIONS_SHORTEST_M && s.wavelength_m <= OPTIONS_LONGEST_M))
        message_fail("-sourcefile: '%s' line %ld: wavelength %g, expected more than 0 (m); correct the file",
                     reader->path, reader->line, s.wavelength_m);
    return s;
}

source_list source_file_read(const char *path, vec3 default_position_m, double default_wavelength_m) {
    text_reader reader = text_open_lines("-sourcefile", path);
    source_list list = {.from_file = true};
    size_t capacity = 0;
    for (char *line; (line = text_next_line(&reader)) != NULL;) {
        double column[SOURCE_COLUMNS] = {default_position_m.x, default_position_m.y, default_position_m.z, 1.0,
                                         default_wavelength_m};
        if (!parse_columns(&reader, line, column)) continue;
        source s = make_source(&reader, column);
        if (list.count == capacity) {
            capacity = 2 * capacity + 16;
            list.items = message_reallocate(list.items, capacity, sizeof list.items[0], "sources");
        }
        list.items[list.count++] = s;
    }
    text_close(&reader);
    if (list.count == 0)
        message_fail("-sourcefile: '%s' holds no source; expected lines of X Y Z weight wavelength (m)", path);
    return list;
}
