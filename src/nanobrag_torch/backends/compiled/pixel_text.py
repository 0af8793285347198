"""How a kernel knows the numbers of its pixels, and which of them a mask hides, in C and in CUDA.

`ROW` is the row of a rectangle that a pixel's number is in, `PLACE` that number, `THERE_IS` whether there is a pixel.
"""

from __future__ import annotations

from nanobrag_torch.backends.compiled.region import REGION

PIXELS = f"""typedef int32_t index_t;
// Numbers of pixels from two lists, or counted in a rectangle: mark, first fast, first slow, width, pixels of a row of
// the detector, fast and slow of a pixel that no mask hides; what is given as the second list is then a mask of the
// detector, a byte for each pixel, or nothing.
#define PIXELS(x, y, fast, slow) do {{ \\
    if (fast[0] != {REGION}) {{ LOAD(x, fast, x[0]); LOAD(y, slow, y[0]); }} \\
    else EACH {{ \\
        const int32_t place = PLACE(l), row = ROW(place, fast[3]); \\
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
// What is given for each pixel: in a list, or as an image of the detector; 0 for one that is hidden or beyond the last.
#define OF_PIXELS(to, from, x, y, fast, hidden) EACH to[l] = !THERE_IS(l) || hidden[l] ? 0 : \
    (from)[fast[0] == {REGION} ? (int64_t)y[l] * fast[4] + x[l] : PLACE(l)]
// 0 times the derivatives of another pixel, which are numbers, are what a hidden one adds to a sum.
#define HIDE(x, y, fast, hidden) EACH if (hidden[l]) {{ x[l] = fast[5]; y[l] = fast[6]; }}
"""
