"""Completion of the programs' command lines in bash and zsh, as text that the shell reads.

The flags, their meaning and what follows them come from `flags.json`; the commands of the audit are handed in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

from nanobragg_tables import PRESETS, Arg, Flag
from nanobragg_tables import flags as all_flags

PROGRAMS = {"nanobragg": "c", "nanobrag-torch": "torch"}
AUDIT = "nanobrag-audit"
OFFERED = {"-device": ("cpu", "cuda", "mps", "auto"), "-defects": (*PRESETS, "list")}


@dataclass(frozen=True)
class Command:
    """A command of the audit: its description, its options, and the values that may follow it."""

    meaning: str
    options: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def choices(flag: str, arg: Arg) -> tuple[str, ...]:
    """The values that may follow a flag, if they are known."""
    return tuple(arg.choices or OFFERED.get(flag, ()) or ((arg.word,) if arg.word else ()))


_BASH = Template("""\
# bash completion of $programs; in ~/.bashrc:
#   source <(nanobrag-audit completion bash)

# _nanobrag_offer KIND WORDS: what begins like the word under the cursor
_nanobrag_offer() {
  local IFS=$$'\\n'
  COMPREPLY=($$(compgen "$$@" -- "$${COMP_WORDS[COMP_CWORD]}"))
}

_nanobrag_flags() {
  local words before=$${COMP_WORDS[COMP_CWORD-1]}
  case $$before in
$cases
  esac
  case $${1##*/} in
$flags
  esac
  _nanobrag_offer -W "$$words"
}

_nanobrag_audit() {
  local words
  if [ "$$COMP_CWORD" -eq 1 ]; then
    words=$$'$commands'
  elif [[ $${COMP_WORDS[COMP_CWORD]} == -* ]]; then
    case $${COMP_WORDS[1]} in
$options
    esac
  else
    case $${COMP_WORDS[1]} in
$words
    *) compopt -o filenames 2>/dev/null; _nanobrag_offer -f; return ;;
    esac
  fi
  _nanobrag_offer -W "$$words"
}

complete -F _nanobrag_flags $programs_of_flags
complete -F _nanobrag_audit $audit
""")


def bash(commands: Mapping[str, Command]) -> str:
    """The completion functions of bash; `commands` are those of the audit."""
    cases = []
    files = [name for flag in all_flags() if flag.args and flag.args[0].type == "file" for name in flag.spellings]
    cases.append(f"  {'|'.join(files)}) compopt -o filenames 2>/dev/null; _nanobrag_offer -f; return ;;")
    for flag in all_flags():
        if flag.args and choices(flag.name, flag.args[0]):
            offered = "\\n".join(choices(flag.name, flag.args[0]))
            cases.append(f"  {'|'.join(flag.spellings)}) _nanobrag_offer -W $'{offered}'; return ;;")
    flags = []
    for program, key in PROGRAMS.items():
        names = "\\n".join(name for flag in all_flags() if key in flag.programs for name in flag.spellings)
        flags.append(f"  {program}) words=$'{names}' ;;")
    options, values = [], []
    for name, command in commands.items():
        listed = "\\n".join((*command.options, "--help"))
        options.append(f"    {name}) words=$'{listed}' ;;")
        if command.words:
            listed = "\\n".join(command.words)
            values.append(f"    {name}) words=$'{listed}' ;;")
    return _BASH.substitute(
        programs=", ".join([*PROGRAMS, AUDIT]),
        programs_of_flags=" ".join(PROGRAMS),
        audit=AUDIT,
        cases="\n".join(cases),
        flags="\n".join(flags),
        commands="\\n".join([*commands, "--help"]),
        options="\n".join(options),
        words="\n".join(values),
    )


_ZSH = Template("""\
#compdef $programs
# zsh completion; in a folder of $$fpath as _nanobrag, or in ~/.zshrc after compinit:
#   source <(nanobrag-audit completion zsh)

_nanobrag_flags() {
  local -a flags
  case $${service:t} in
$flags
  esac
  _arguments $$flags
}

_nanobrag_audit() {
  local -a commands options
  commands=(
$commands
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $$words[2] in
$options
  esac
}

_nanobrag() {
  case $${service:t} in
  $audit) _nanobrag_audit ;;
  *) _nanobrag_flags ;;
  esac
}

if [[ $$zsh_eval_context[-1] == loadautofunc ]]; then
  _nanobrag "$$@"
else
  compdef _nanobrag $programs
fi
""")


def zsh(commands: Mapping[str, Command]) -> str:
    """The completion functions of zsh; `commands` are those of the audit."""
    flags = []
    for program, key in PROGRAMS.items():
        specs = [_spec(flag) for flag in all_flags() if key in flag.programs]
        flags.append("\n".join([f"  {program}) flags=(", *(f"    {spec}" for spec in specs), "  ) ;;"]))
    options = []
    for name, command in commands.items():
        rest = f":word:({' '.join(command.words)})" if command.words else ":file:_files"
        follow = " ".join(_quoted(option) for option in (*command.options, "--help", f"*{rest}"))
        options.append(f"  {name}) shift words; (( CURRENT-- )); _arguments {follow} ;;")
    described = [f"    {_quoted(_escaped(name) + ':' + command.meaning)}" for name, command in commands.items()]
    return _ZSH.substitute(
        programs=" ".join([*PROGRAMS, AUDIT]),
        audit=AUDIT,
        flags="\n".join(flags),
        commands="\n".join(described),
        options="\n".join(options),
    )


def _spec(flag: Flag) -> str:
    """The text that `_arguments` reads for a flag: its names, its meaning, its values."""
    rest = ""
    for arg in flag.args:
        offered = choices(flag.name, arg)
        action = "_files" if arg.type == "file" else f"({' '.join(offered)})" if offered else " "
        rest += f"{'::' if arg.optional else ':'}{_escaped(arg.name)}:{action}"
    text = f"[{_escaped(flag.meaning)}]{rest}"
    if len(flag.spellings) == 1:
        return _quoted(f"*{flag.name}{text}")
    return "'*'{" + ",".join(flag.spellings) + "}" + _quoted(text)


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in ":[]\\" else letter for letter in text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
