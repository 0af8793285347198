/* What an accepted input must have become: quantities that physics can be done with. */
#ifndef FUZZ_CHECKS_H
#define FUZZ_CHECKS_H

#include "physics/experiment.h"

void check_table(const hkl_table *table);
void check_sources(const source_list *sources);
void check_detector(const detector *d);
void check_crystal(const crystal *c);

/* Reads a command line, checks what it says, builds the experiment of it, checks that, and frees both. */
void check_command_line(int argc, char **argv);

#endif
