"""Start a program within limits and, on request, in its own namespaces. Run by path; it imports no module of ours.

    python -I -S launcher.py FOLDER MEMORY_BYTES FILE_BYTES namespaces|limits|tell:N PROGRAM NAME WORD...

NAME is the program's argv[0]. In its own namespaces (Linux, see unshare(2)) it has no network, can write only below
FOLDER, and all processes that it started end with it. This process ends with the same exit status or signal.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
from pathlib import Path

NOT_STARTED = 125  # the namespace or the program failed to start; the reason is on standard error
_NEW_MOUNTS, _NEW_IPC, _NEW_USER, _NEW_PIDS, _NEW_NET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000
_READ_ONLY, _NO_SETUID = 1, 2
_MOUNT_SETATTR = 442  # the number is the same on every processor
_HERE, _BELOW_TOO = -100, 0x8000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(status: int, call: str) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _own_users(inside_user: int, inside_group: int, outside_user: int, outside_group: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{inside_user} {outside_user} 1")
    _write("/proc/self/gid_map", f"{inside_group} {outside_group} 1")


def _set_mount(path: str, add: int, remove: int, flags: int) -> None:
    wanted = struct.pack("QQQQ", add, remove, 0, 0)
    _check(_libc.syscall(_MOUNT_SETATTR, _HERE, path.encode(), flags, wanted, len(wanted)), f"mount_setattr {path}")


def _only_writable(folder: str) -> None:
    """Make every mount except that of `folder` read-only, for this namespace."""
    name = os.fsencode(folder)
    _check(_libc.mount(None, b"/", None, _RECURSIVE | _PRIVATE, None), "mount /")
    _check(_libc.mount(name, name, None, _BIND, None), f"mount {folder}")
    with contextlib.suppress(OSError):  # threads of some programs meet there; its content goes with the namespace
        _check(_libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", 0, b"size=1g"), "mount /dev/shm")
    _set_mount("/", _READ_ONLY | _NO_SETUID, 0, _BELOW_TOO)
    _set_mount(folder, 0, _READ_ONLY, 0)
    with contextlib.suppress(OSError):
        _set_mount("/dev/shm", 0, _READ_ONLY, 0)


def _loopback_up() -> None:
    """Switch on the loopback device, the only one in a new network namespace."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH22x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def _limit(memory_bytes: int, file_bytes: int) -> None:
    for kind, limit in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_FSIZE, file_bytes)):
        hard = resource.getrlimit(kind)[1]
        if limit and (hard == resource.RLIM_INFINITY or limit < hard):
            resource.setrlimit(kind, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _become(command: list[str], memory_bytes: int, file_bytes: int) -> None:
    """Replace this process by the program; does not return."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    _limit(memory_bytes, file_bytes)
    os.execvp(command[0], command[1:])


def _program(command: list[str], memory_bytes: int, file_bytes: int, ready: int, go: int) -> None:
    """The last child: a second user namespace ends the rights over mounts; in it the process is the user again."""
    user, group = _whole_ids
    _check(_libc.unshare(_NEW_USER), "unshare")
    _own_users(user, group, 0, 0)
    os.write(ready, b".")
    os.read(go, 1)
    os.chdir(Path.cwd())  # the same folder, seen through its new mount
    _become(command, memory_bytes, file_bytes)


_whole_ids = (os.getuid(), os.getgid())


def _first_process(folder: str, command: list[str], memory_bytes: int, file_bytes: int, report: int) -> None:
    """Process 1 of the namespace: when it ends the kernel ends all others. Writes the program's wait status."""
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        _or_say(lambda: _program(command, memory_bytes, file_bytes, ready[1], go[0]))
    os.close(ready[1])
    if os.read(ready[0], 1):
        _only_writable(folder)
        _loopback_up()
        os.write(go[1], b".")
    while True:
        process, status = os.wait()
        if process == child:
            break
    os.write(report, struct.pack("i", status))


def _or_say(action: object) -> None:
    """Call `action`; a failure prints one line and ends this process."""
    try:
        action()  # type: ignore[operator]
    except OSError as error:
        os.write(2, f"launcher: {error.strerror or error}\n".encode())
        os._exit(126 if error.errno == errno.ENOENT else NOT_STARTED)
    os._exit(0)


def _in_namespaces(folder: str, command: list[str], memory_bytes: int, file_bytes: int) -> None:
    user, group = _whole_ids
    _check(_libc.unshare(_NEW_USER | _NEW_MOUNTS | _NEW_NET | _NEW_IPC | _NEW_PIDS), "unshare")
    _own_users(0, 0, user, group)
    report = os.pipe()
    first = os.fork()
    if first == 0:
        _libc.prctl(1, signal.SIGKILL)  # it ends with this process
        _or_say(lambda: _first_process(folder, command, memory_bytes, file_bytes, report[1]))
    os.close(report[1])
    status = os.read(report[0], 4)
    os.waitpid(first, 0)
    if len(status) != 4:
        os._exit(NOT_STARTED)
    _end_alike(struct.unpack("i", status)[0])


def _tell(arguments: list[str], memory_bytes: int, file_bytes: int, report: int) -> None:
    """Run the program as a child, write its wait status to the descriptor `report`."""
    child = os.fork()
    if child == 0:
        os.close(report)
        _or_say(lambda: _become(arguments, memory_bytes, file_bytes))
    os.write(report, struct.pack("i", os.waitpid(child, 0)[1]))


def _end_alike(status: int) -> None:
    """End this process in the same way as another one ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def main(argv: list[str]) -> None:
    """Start the program."""
    folder, memory_bytes, file_bytes, how, *command = argv
    if how == "namespaces":
        _or_say(lambda: _in_namespaces(folder, command, int(memory_bytes), int(file_bytes)))
    if how.startswith("tell:"):
        _or_say(lambda: _tell(command, int(memory_bytes), int(file_bytes), int(how[5:])))
    _or_say(lambda: _become(command, int(memory_bytes), int(file_bytes)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Exception as error:
        os.write(2, f"launcher: {type(error).__name__} at its start\n".encode())
        os._exit(NOT_STARTED)
