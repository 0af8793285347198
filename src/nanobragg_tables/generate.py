"""Makes the C header and the documentation of the flags from the tables."""

from collections.abc import Sequence

from nanobragg_tables import Defect, Example, Flag, Range, defect_examples, defects, flags

NOTICE = "made by `python -m nanobragg_tables generate`; change flags.json or defects.json instead"

HEADER_INTRO = f"""/* The flags and defects as X-macros:
 * {NOTICE}.
 *
 * FLAG_TABLE(X)       X(ID, "-name", "alias alias", min_args, max_args, "unit", "default", "meaning")
 * FLAG_USAGE_TABLE(X) X(ID, "group", "usage", "effect": "" or "accepted, no effect")
 * FLAG_ORDER_TABLE(X) X(ID, pivot, convention): what the flag sets; NONE: nothing. The last flag that sets one wins.
 * FLAG_ARG_TABLE(X)   X(ID, index, "name", TYPE, min, exclusive_min, max, exclusive_max, infinite_allowed, "words")
 *                     TYPE is FLOAT, INT, FILE or WORD; limits that do not exist are -HUGE_VAL or HUGE_VAL;
 *                     "words": the only words allowed, or for a number the word that may stand instead of all values
 *                     INT is [+-]?[0-9]+ within 32 bits; FLOAT is decimal, [+-]?(d[.d]|.d)[e[+-]d], and finite
 * FLAG_SET_TABLE(X)   X(ID, (assignments)): what the flag sets in `options *o` from `flag_use *use`, in SI units by the
 *                     function that "convert" in flags.json names; flags whose effect is written in C are not in it
 * DEFECT_TABLE(X)     X(ID, "name", "D-01", default_on, warns, "meaning")
 */
"""


def identifier(name: str) -> str:
    """`-hdivrange` -> `HDIVRANGE`; unique for every flag."""
    return name.lstrip("-").upper().replace("-", "_")


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _macro(name: str, rows: Sequence[Sequence[object]]) -> str:
    lines = [f"    X({', '.join(str(cell) for cell in row)})" for row in rows]
    return f"#define {name}(X) \\\n" + " \\\n".join(lines) + "\n"


def _limits(limits: Range | None) -> tuple[str, ...]:
    limits = limits or Range()
    low = [limits.min, limits.exclusive_min]
    high = [limits.max, limits.exclusive_max]
    return (
        *("-HUGE_VAL" if limit is None else f"{limit:.17g}.0" for limit in low),
        *("HUGE_VAL" if limit is None else f"{limit:.17g}.0" for limit in high),
        str(int(limits.infinite)),
    )


def _arg_rows(flag: Flag) -> list[tuple[object, ...]]:
    return [
        (
            identifier(flag.name),
            index,
            _quote(arg.name),
            arg.type.upper(),
            *_limits(arg.range),
            _quote(" ".join(arg.choices) or arg.word or ""),
        )
        for index, arg in enumerate(flag.args)
    ]


def _assignments(flag: Flag) -> str:
    """The C expression that applies a flag: `o->beam.wavelength_m = wavelength_A(use->real[0])`."""
    if not flag.args:
        value = ""
    elif flag.args[0].type in ("float", "int"):
        value = "use->real[0]" if flag.args[0].type == "float" else "use->integer[0]"
        value = f"{flag.convert}({value})" if flag.convert else value
    else:
        value = "use->word"
    settings = flag.sets["c"].settings
    each = [f"o->{s.name} = {value if s.constant is None else s.constant}" for s in settings]
    return f"({', '.join(each)})" if each else "(void)0"


def c_header() -> str:
    """Text of tables_generated.h: the flags of the C program and all defects."""
    mine = [flag for flag in flags() if "c" in flag.programs]
    table = [
        (
            identifier(flag.name),
            _quote(flag.name),
            _quote(" ".join(flag.aliases)),
            flag.min_args,
            flag.max_args,
            *map(_quote, (flag.unit, flag.default, flag.meaning)),
        )
        for flag in mine
    ]
    usage = [(identifier(f.name), *map(_quote, (f.group, f.usage, f.effect or ""))) for f in mine]
    order = [(identifier(f.name), f.sets_pivot or "NONE", f.sets_convention or "NONE") for f in mine]
    bugs = [
        (d.name.upper(), _quote(d.name), _quote(d.number), int(d.default_on), int(d.warns), _quote(d.meaning))
        for d in defects()
    ]
    macros = [
        _macro("FLAG_TABLE", table),
        _macro("FLAG_USAGE_TABLE", usage),
        _macro("FLAG_ORDER_TABLE", order),
        _macro("FLAG_ARG_TABLE", [row for flag in mine for row in _arg_rows(flag)]),
        _macro("FLAG_SET_TABLE", [(identifier(f.name), _assignments(f)) for f in mine if not f.sets["c"].by_code]),
        _macro("DEFECT_TABLE", bugs),
    ]
    guard = "NANOBRAGG_TABLES_GENERATED_H"
    return "\n".join([HEADER_INTRO + f"#ifndef {guard}\n#define {guard}\n", *macros, f"#endif /* {guard} */\n"])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sets(flag: Flag) -> str:
    """Convention, pivot, and the parameters of an experiment in Python: `beam.wavelength_m`."""
    named = [setting for setting in flag.sets["torch"].settings if not setting.name.startswith(("outputs.", "run."))]
    fields = dict.fromkeys(
        f"`{s.name.split('[')[0]}`" + ("" if s.constant is None else f" {str(s.constant)}") for s in named
    )
    order = (flag.sets_convention, flag.sets_pivot and f"pivot {flag.sets_pivot}")
    return ", ".join([*(name for name in order if name), *fields])


def _flag_row(flag: Flag) -> str:
    spellings = ""
    if len(flag.programs) == 1:
        spellings = {"c": " (C program only)", "torch": " (torch program only)"}[flag.programs[0]]
    limits = {arg.range.describe() for arg in flag.args if arg.range}
    cells = [
        f"`{flag.usage}`",
        " ".join(f"`{alias}`" for alias in flag.aliases),
        flag.unit,
        flag.default,
        flag.meaning + (f" ({flag.effect})" if flag.effect else "") + spellings,
        "; ".join(sorted(limits)),
        _sets(flag),
    ]
    return f"| {' | '.join(map(_cell, cells))} |"


DOC_INTRO = """# Flags

<!-- {notice} -->

Flags are not abbreviated; the values of a flag follow it. Later flags override earlier ones; of the flags that
choose a convention or a pivot the last one on the line wins; a pivot that a flag implies holds in the CUSTOM convention
alone, where the others have their own. The last column says what a flag sets: a convention, a pivot, and fields of
`nanobrag_torch.parameters.Experiment`. Whole numbers are written without a point; other numbers as 12, -1.5 or 2e-3. A
file whose name begins with `-` is written `./-name`. An unknown flag, a value that is missing or out of range and a
file that cannot be read end the program with exit code 2 and one line on standard error; nothing is written then.
"""

DEFECT_INTRO = """
## Historic defects

`-defects PRESET[,+name][,-name]...` chooses which departures of the historic program from the physics are
reproduced. `default` holds those that are deterministic, so that an unchanged command line gives the historic
image; `historic` all that the program can reproduce; `none` is the best physics. A warning is printed where a
defect marked ! makes the program ignore what the user gave. [defects.md](defects.md) has a command line for each.

| Name | Number | In default | Meaning |
|---|---|---|---|
"""


def flag_document() -> str:
    """Text of docs/flags.md."""
    lines = [DOC_INTRO.format(notice=NOTICE)]
    for group in dict.fromkeys(flag.group for flag in flags()):
        lines += [
            f"## {group}\n",
            "| Flag | Also | Unit | Default | Meaning | Range | Sets |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [_flag_row(flag) for flag in flags() if flag.group == group] + [""]
    rows = [
        f"| `{d.name}`{' !' if d.warns else ''} | {d.number} | {'yes' if d.default_on else 'no'} | {_cell(d.meaning)} |"
        for d in defects()
    ]
    return "\n".join(lines).rstrip("\n") + "\n" + DEFECT_INTRO + "\n".join(rows) + "\n"


CATALOGUE_INTRO = """# Known defects of the historic program

<!-- {notice}; the examples are in defect_examples.json -->

Where the historic nanoBragg departs from the physics, both programs can do either:
`-defects PRESET[,+name][,-name]...`.
`default` has those on that are deterministic conventions, so that an unchanged command line gives the historic image.
Off in `default` are those whose result depends on the number of threads, on the order of pixels or on rounding. `none`
gives the best physics. `-defects list` prints the names.

Each command below can be given to either program (`nanobragg` or `python -m nanobrag_torch`). It is run with the defect
and without it; the sums are those of the float image, in photons. The equations are in [physics.md](physics.md).
"""


def _catalogue_entry(defect: Defect, example: Example) -> str:
    program = "nanobragg" if not defect.torch else "python -m nanobrag_torch"
    commands = [example.prepare] if example.prepare else []
    quiet = "-nonoise -nopgm"
    commands += [f"{program} {example.flags} {quiet} -defects {example.switches(sign, defect.name)}" for sign in "+-"]
    without = "refused" if example.sum_off is None else f"{example.sum_off:.6g}"
    state = "on" if defect.default_on else "off"
    lines = [
        f"## {defect.name} ({defect.number})\n",
        f"- Historic: {defect.meaning}.",
        f"- Right: {example.right}.",
        f"- In `default`: {state}"
        + ("; a warning tells where input is ignored." if defect.warns else ".")
        + ("" if defect.torch else " C program only."),
        f"- Sum of the image: {example.sum_on:.6g} with, {without} without.\n",
        "```sh",
        *commands,
        "```\n",
    ]
    return "\n".join(lines)


def defect_document() -> str:
    """Text of docs/defects.md."""
    examples = defect_examples()
    entries = [_catalogue_entry(defect, examples[defect.name]) for defect in defects()]
    return CATALOGUE_INTRO.format(notice=NOTICE) + "\n" + "\n".join(entries).rstrip("\n") + "\n"
