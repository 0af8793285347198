/* The values that -img and -mask set: the keys of an SMV header, before all other flags. */
#ifndef NANOBRAGG_OPTIONS_HEADER_H
#define NANOBRAGG_OPTIONS_HEADER_H

#include "cli/options.h"

/* Reads the files that -mask and -img name and takes over their geometry. */
void options_read_headers(options *o);

/* After all flags: checks that flags supply what a header lacks. Ends the program otherwise. */
void options_settle_headers(options *o);

#endif
