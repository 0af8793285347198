"""Ways to damage a file: bytes, or the values of its JSON."""

import copy
import json
import random
from typing import Any

TOKENS = [b"\0", b"\x1b[31m", b"\xff\xfe", b"nan", b"inf", b"1e308", b"-1e999", b"9" * 5000, b"[" * 3000, b"{", b"\r"]
TOKENS += [b"\n\n", "\u0664\u0662".encode(), b"!!python/object:os.system x", b"&a [*a]", b"2024-02-30", b"'", b'"']
TOKENS += [b": ", b"- ", b"\t", b"\x85"]
VALUES = (
    None, True, -1, 0, 2**70, 1e308, -1e308, "", "x" * 9999, "\x1b[31mred", "a\nb", "\ud800", "/etc/hostname", "../x",
    [], {},     [[]], [None], {"a": None}, {"": {}}, [1, 2, 3], 0.5, "pass", "fail",
)  # fmt: skip


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The bytes with one to four changes; never the same."""
    result = data
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(result) + 1)
        end = min(len(result), at + rng.choice((1, 1, 2, 8, 200)))
        kind = rng.randrange(5)
        if kind == 0 and result:
            at = min(at, len(result) - 1)
            result = result[:at] + bytes([result[at] ^ (1 << rng.randrange(8))]) + result[at + 1 :]
        elif kind == 1:
            result = result[:at] + result[end:]
        elif kind == 2:
            result = result[:at] + result[at:end] * rng.choice((2, 3)) + result[end:]
        elif kind == 3:
            result = result[:at] + rng.choice(TOKENS) + result[end:]
        else:
            result = result[:at]
    return result if result != data else data + b"\0"


def other_values(rng: random.Random, value: Any) -> Any:
    """A copy of parsed JSON with one or two of its parts exchanged, removed or doubled."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 2)):
        paths = list(_paths(value, ()))
        if not paths:
            return rng.choice(VALUES)
        holder, key = rng.choice(paths)
        kind = rng.randrange(4)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.append(holder[key])
        else:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
    return value


def _paths(value: Any, path: tuple[Any, ...]):
    if len(path) > 6:
        return
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(min(len(value), 20)))
    else:
        return
    for key in keys:
        yield value, key
        yield from _paths(value[key], (*path, key))


def as_bytes(value: Any) -> bytes:
    """JSON text, surrogates as escapes."""
    return json.dumps(value).encode()
