"""Files are written by a few functions that follow no link and leave none half written; whatever else writes is listed.

`core.files` and `io.writing` hold those functions. What is listed below writes into a folder that it has just made
itself, under a new name, or where the user said.
"""

import ast
from pathlib import Path

import pytest

from nanobrag_torch.io.writing import replace_with, write_whole
from trace_audit.core.files import append_to, copy_atomic, fresh_file, write_atomic, write_pieces

SOURCE = Path(__file__).resolve().parents[2] / "src"
NEW_FOLDER = "a temporary folder of its own"
OF_REPLACE_WITH = "the temporary file that replace_with gives it"
NO_LINK = "follows no link"
OF_AN_EXPERIMENT = ("far_reflection", "matrix_flags", "reflection_flags", "some_matrix", "source_flags")
OF_AN_EXPERIMENT += ("three_sources",)
OF_CHAOS = ("__main__.py:main", "__main__.py:make", "checkout.py:make_checkout", "checkout.py:write_config")
OF_CHAOS += ("kills.py:kills", "surroundings.py:_dirty_tree", "surroundings.py:_full_disk")
NEW_NAME = "only under a new name: mode x"
KNOWN = {
    "nanobrag_bench/gpu/code.py:compiled": NEW_FOLDER,
    "nanobrag_campaign/merge.py:_fill": OF_REPLACE_WITH,
    "nanobrag_campaign/plan.py:_fill": OF_REPLACE_WITH,
    "nanobrag_campaign/shard.py:simulate": OF_REPLACE_WITH,
    "nanobrag_torch/backends/compiled/cache.py:_alone": NO_LINK,
    "nanobrag_torch/backends/compiled/cache.py:keep": NEW_FOLDER,
    "nanobrag_torch/backends/compiled/compiler.py:build": NEW_FOLDER,
    "nanobrag_torch/faults/__init__.py:_written": NEW_NAME,
    "nanobrag_torch/faults/__init__.py:drop_output": "/dev/null",
    **{f"nanobrag_torch/gradients/experiment_flags.py:{name}": NEW_FOLDER for name in OF_AN_EXPERIMENT},
    "nanobrag_torch/io/hdf5.py:_fill": OF_REPLACE_WITH,
    "nanobrag_torch/io/writing.py:_keep_former": "a rename, which follows no link",
    "nanobrag_torch/io/writing.py:_write": OF_REPLACE_WITH,
    "nanobrag_torch/io/writing.py:replace_with": "its own temporary file, opened again to flush it",
    "nanobrag_torch/io/writing.py:write_whole": "a pipe or device that the user names",
    "nanobrag_torch/noise/compiled.py:_built": NEW_FOLDER,
    "nanobragg_tables/__main__.py:main": "generated files of this checkout, for its developers",
    **{f"trace_audit/chaos/{name}": NEW_FOLDER for name in OF_CHAOS},
    "trace_audit/core/escapes.py:file_as_printed": NEW_FOLDER,
    "trace_audit/core/files.py:_replace": "a temporary file under a name that was free",
    "trace_audit/core/files.py:append_to": NO_LINK,
    "trace_audit/core/files.py:copy_checked": NEW_NAME,
    "trace_audit/core/files.py:fresh_file": NEW_NAME,
    "trace_audit/core/files.py:open_lock": NO_LINK,
    "trace_audit/matrix/variants.py:_compiles": NEW_FOLDER,
    "trace_audit/port/program.py:run": NEW_NAME,
    "trace_audit/programs/build.py:_build": NEW_FOLDER,
    "trace_audit/programs/harness.py:_redirected": "a second descriptor of a file of fresh_file",
    "trace_audit/programs/launcher.py:_write": "the limits of its own process, below /proc",
    "trace_audit/trail/hash_chain.py:_link_new": NEW_NAME,
    "trace_audit/trail/signing.py:check": NEW_FOLDER,
    "trace_audit/trail/statements.py:check_envelope": NEW_FOLDER,
}
WRITES = {"write_text", "write_bytes", "touch", "tofile", "savetxt", "copyfile", "copy2", "copytree", "move",
          "symlink_to", "hardlink_to", "extractall", "rename"}  # fmt: skip


def writes(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    whole = ast.unparse(call)
    if name == "open" and whole.startswith("os.open("):
        return "O_CREAT" in whole or "O_WRONLY" in whole
    modes = [word.value for word in [*call.args, *(key.value for key in call.keywords if key.arg == "mode")]
             if isinstance(word, ast.Constant) and isinstance(word.value, str)]  # fmt: skip
    if name in ("open", "File", "ZipFile", "fdopen"):
        return any(set("wax+") & set(mode) for mode in modes if len(mode) <= 3)
    if name in ("savefig", "to_csv", "imsave", "save", "savez"):
        return bool(call.args) and ast.unparse(call.args[0]) != "stream"
    return name in WRITES


def writers() -> set[str]:
    """`file:function` of every call that writes a file."""
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)] + [tree]:
            for node in ast.walk(function) if function is not tree else tree.body:
                if isinstance(node, ast.Call) and writes(node):
                    found.add(f"{path.relative_to(SOURCE).as_posix()}:{getattr(function, 'name', '')}")
    return found


def test_every_writer_is_known():
    assert writers() == set(KNOWN)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_atomic(path, "ours"),
        lambda path: write_pieces(path, [b"ours"]),
        lambda path: copy_atomic(path.parent / "ours", path),
        lambda path: fresh_file(path).close(),
        lambda path: write_whole(path, [b"ours"], follow=False),
        lambda path: replace_with(path, lambda aside: aside.write_text("ours"), follow=False),
    ],
)
def test_nothing_is_written_through_a_link(write, hard, tmp_path):
    """A link that appears at the last moment, and a second name of somebody's file."""
    precious, path = tmp_path / "precious", tmp_path / "folder/file"
    precious.write_text("theirs")
    path.parent.mkdir()
    (path.parent / "ours").write_text("ours")
    path.hardlink_to(precious) if hard else path.symlink_to(precious)
    write(path)
    assert precious.read_text() == "theirs" and path.read_text() in ("ours", "") and not path.is_symlink()


def test_nothing_is_appended_through_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic link"):
        append_to(tmp_path / "link")
    assert not (tmp_path / "precious").exists()
