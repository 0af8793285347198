"""Every value of a JSON document exchanged in turn, and what a command may do with the result."""

import contextlib
import copy
import io
import itertools
import json

from trace_audit.core.errors import run_command

VALUES = (None, True, -1, 2**70, 1.5, "", "x\x1b[31m\ny", [], [[None]], {}, {"a": None}, [0.5, "b"])


def paths(value, path=()):
    """Every part of a JSON value, by its path."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, part in parts:
        yield from paths(part, (*path, key))


def damaged(value, each):
    """The value itself, then copies with one part removed or exchanged, with `each` substitutes for every part."""
    substitutes = itertools.cycle((*VALUES, KeyError))
    yield value
    for path in paths(value):
        if not path:
            yield from VALUES
            continue
        for substitute in (KeyError, *itertools.islice(substitutes, each)):
            whole = copy.deepcopy(value)
            holder = whole
            for key in path[:-1]:
                holder = holder[key]
            if substitute is KeyError:
                del holder[path[-1]]
            else:
                holder[path[-1]] = substitute
            yield whole


def outcomes(command, write, value, allowed=(0, 1, 2), each=2):
    """Exit statuses over all damages; no traceback, no second line, no control character."""
    refusals = set()
    for content in damaged(value, each):
        write(content)
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            status = run_command(lambda _: command() or 0, [], catch_faults=False)
        said = error.getvalue()
        assert status in allowed, (status, content, said)
        strange = [char for char in out.getvalue() + said if not (char.isprintable() or char == "\n")]
        assert not strange, (content, said, out.getvalue())
        assert status != 2 or len(said.splitlines()) == 1, (content, said)
        refusals.add(status)
    return refusals


def into(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return lambda content: path.write_text(json.dumps(content))
