"""Completion of the command lines: what bash offers when its functions run, and what zsh does."""

import os
import shutil
import subprocess

import pytest

from nanobragg_tables import flags
from trace_audit import completion
from trace_audit.core.commands import FOR_PEOPLE


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A folder with both scripts, and a file to be offered."""
    folder = tmp_path_factory.mktemp("completion")
    made = completion.commands()
    (folder / "bash").write_text(completion.bash(made))
    (folder / "zsh").write_text(completion.zsh(made))
    (folder / "a b.hkl").write_text("")
    return folder


def offered(folder, *arguments: str) -> list[str]:
    """The completions of bash at the end of these arguments."""
    lines = [
        "shopt -s progcomp; source ./bash",
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))',
        'function=$(complete -p "${1##*/}" | sed "s/.*-F \\([^ ]*\\) .*/\\1/")',
        '"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"',
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ]
    command = ["bash", "--norc", "-u", "-c", "\n".join(lines), "-", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(("program", "key"), [("nanobragg", "c"), ("nanobrag-torch", "torch")])
def test_every_flag_of_a_program_is_offered_and_no_other(scripts, program, key):
    mine = [name for flag in flags() if key in flag.programs for name in flag.spellings]
    assert offered(scripts, program, "-") == mine
    assert offered(scripts, f"/some/where/{program}", "-mosaic_d") == ["-mosaic_dom", "-mosaic_domains"]


def test_what_follows_a_flag_is_a_file_or_one_of_its_words(scripts):
    assert offered(scripts, "nanobragg", "-hkl", "a") == ["a b.hkl"]
    assert offered(scripts, "nanobragg", "-N", "5", "-pivot", "") == ["beam", "sample"]
    assert offered(scripts, "nanobrag-torch", "-dtype", "float3") == ["float32"]


def test_commands_of_the_audit_their_options_and_words(scripts):
    assert set(FOR_PEOPLE) | {"explain", "verify", "rerun"} <= set(offered(scripts, "nanobrag-audit", ""))
    assert offered(scripts, "nanobrag-audit", "ver") == ["verify"]
    assert offered(scripts, "nanobrag-audit", "verify", "--a") == ["--allowed-signers", "--anchor"]
    assert offered(scripts, "nanobrag-audit", "explain", "F_c") == ["F_cell"]
    assert offered(scripts, "nanobrag-audit", "compare", "a") == ["a b.hkl"]


ZSH = """
autoload -Uz compinit; compinit -u -D; source ./zsh
zstyle ':completion:*' list-prompt ''
comppostfuncs=(report)
report() { print -r -- "offered: $compstate[nmatches]" >> offered.txt; comppostfuncs=(report) }
"""


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
def test_zsh_offers_the_same(scripts):
    lines = [
        "zmodload zsh/zpty; : > offered.txt; zpty terminal zsh -f -i",
        "zpty -w terminal \"source ./start; PS1=rea''dy\"; zpty -r terminal output '*ready*'; asked=0",
        "for line in 'nanobragg -printou' 'nanobrag-audit ver' 'nanobrag-audit verify --a' 'nanobragg -pivot be'; do",
        "  zpty -w -n terminal $line$'\\t'; (( asked += 1 ))",
        "  repeat 400; do (( $(wc -l < offered.txt) < asked )) || break; sleep 0.05; done",
        "  zpty -w -n terminal $'\\C-u'",
        "done; zpty -d terminal",
    ]
    (scripts / "start").write_text(ZSH)
    environment = {"PATH": os.environ["PATH"], "HOME": str(scripts), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    command = ["zsh", "-f", "-c", "\n".join(lines)]
    done = subprocess.run(
        command, cwd=scripts, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    counts = [line.split()[-1] for line in (scripts / "offered.txt").read_text().splitlines()]
    assert counts == ["2", "1", "2", "1"]
