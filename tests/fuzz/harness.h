/* Runs a parser on one input as the program would, and holds it to rules that need no knowledge of the format:
 *
 * - it returns, or ends the program with exit code 2 after one printable line on standard error;
 * - it holds no more memory than the input warrants, and none after its result is freed;
 * - it opens the input and a few small files that are always there, nothing else.
 *
 * Breaking a rule aborts, which libFuzzer records as a crash with its input.
 */
#ifndef FUZZ_HARNESS_H
#define FUZZ_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The name under which a parser finds the input. */
#define HARNESS_INPUT "input"

/* Bytes that may be held at a time: `fixed` + `per_input_byte` for each byte of the input. A request above that is
 * answered as on a machine whose memory is full; above `documented` (a limit which the program states) it is a
 * fault. */
typedef struct harness_limits {
    size_t fixed, per_input_byte, documented;
} harness_limits;

/* Parses, checks the result and frees it. */
typedef void harness_parse(const uint8_t *data, size_t size);

/* What LLVMFuzzerTestOneInput returns. With the environment variable FUZZ_VERDICTS, the name of a file, a line is added
 * to it for each input: `accepted`, or the error. */
int harness_run(harness_limits limits, harness_parse *parse, const uint8_t *data, size_t size);

/* Aborts with the text of the condition if it does not hold. */
#define REQUIRE(condition) harness_require((condition), #condition, __FILE__, __LINE__)
void harness_require(bool condition, const char *text, const char *file, int line);

/* Another file that parsers find, made by `name`; kept for the whole process. */
void harness_provide(const char *name, const void *content, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
