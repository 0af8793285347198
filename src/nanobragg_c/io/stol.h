/* Solvent scattering tables: two columns. They do not enter the image. */
#ifndef NANOBRAGG_STOL_H
#define NANOBRAGG_STOL_H

/* Ends the program if the file is not a table of pairs of numbers. */
void stol_check(const char *flag, const char *path);

#endif
