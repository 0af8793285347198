"""A program of four source files with the command line and the build of the C program, two of them planted.

`physics/polar.c` is wrong where the compiler optimises, `physics/count.c` ends the program where it does; `-steady`
takes the second away.
"""

from pathlib import Path

MAKEFILE = """\
ifndef IN
all:
	@mkdir -p $(BUILD)/nanobragg.objects/cli $(BUILD)/nanobragg.objects/physics
	@$(MAKE) --no-print-directory -f Makefile IN=1 $(BUILD)/nanobragg
endif
NAMES := cli/main physics/count physics/omega physics/polar
$(BUILD)/nanobragg.objects/%.o: %.c
	$(CC) $(OPENMP) -O2 $(CFLAGS) -c $< -o $@
$(BUILD)/nanobragg: $(NAMES:%=$(BUILD)/nanobragg.objects/%.o)
	$(CC) $(OPENMP) -O2 $(CFLAGS) $^ -o $@ -lm
"""

MAIN = r"""
#include <stdio.h>
#include <string.h>
double polar(double cosine); double omega(double path); int count(int steady);
int main(int n, char **words) {
    int steady = 0;
    const char *file = 0;
    for (int i = 1; i < n; i++) {
        if (!strcmp(words[i], "-steady")) steady = 1;
        if (!strcmp(words[i], "-floatfile")) file = words[i + 1];
    }
    if (count(steady)) { fprintf(stderr, "it broke\n"); return 3; }
    const double p = polar(0.9), o = omega(0.1), photons = 1e9 * p * o;
    printf("TRACE_C: polar %.15g\nTRACE_C: omega_pixel %.15g\nTRACE_C: I_pixel_final %.15g\n", p, o, photons);
    FILE *out = fopen(file, "wb");
    for (int i = 0; i < 4; i++) { const float v = (float)(photons / (1 + i)); fwrite(&v, sizeof v, 1, out); }
    return fclose(out);
}
"""

FILES = {
    "Makefile": MAKEFILE,
    "cli/main.c": MAIN,
    "physics/count.c": """
#ifdef __OPTIMIZE__
int count(int steady) { return !steady; }
#else
int count(int steady) { return 0 * steady; }
#endif
""",
    "physics/omega.c": "double omega(double path) { return 1e-8 / (path * path); }\n",
    "physics/polar.c": """
#ifdef __OPTIMIZE__
double polar(double c) { return 0.50001 * (1 + c * c); }
#else
double polar(double c) { return 0.5 * (1 + c * c); }
#endif
""",
}


def write(folder: Path) -> Path:
    """The source in `folder`."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
