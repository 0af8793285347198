"""How a kernel knows the numbers of its pixels, and which of them a mask hides, in C and in CUDA."""

from __future__ import annotations

from nanobrag_torch.backends.compiled.region import REGION

_PIXELS = f"""typedef int32_t index_t;
// Numbers of pixels from two lists, or counted in a rectangle: mark, first fast, first slow, width, pixels of a row;
// what is given as the second list is then a mask of the detector, a byte for each pixel, or nothing.
#define PIXELS(x, y, fast, slow) do {{ \\
    if (fast[0] != {REGION}) {{ LOAD(x, fast, x[0]); LOAD(y, slow, y[0]); }} \\
    else EACH {{ \\
        const int32_t place = PLACE(l), row = @ROW@; \\
        x[l] = fast[1] + (place - row * fast[3]); \\
        y[l] = fast[2] + row; }} }} while (0)
// which of them a mask hides, and how many it does not
ON_DEVICE int shown(bool *hidden, const int32_t *x, const int32_t *y, const int32_t *fast, const int32_t *slow)
{{
    const uint8_t *const mask = fast[0] == {REGION} ? (const uint8_t *)slow : 0;
    int some = 0;
    EACH {{ hidden[l] = mask && !mask[(int64_t)y[l] * fast[4] + x[l]]; some += !hidden[l]; }}
    return some;
}}
"""


def pixels(row: str) -> str:
    """The text; `row`: the row of a rectangle that its pixel number `place` is in."""
    return _PIXELS.replace("@ROW@", row)
