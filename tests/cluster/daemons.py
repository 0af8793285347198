"""The daemons of a Slurm with one node, in a temporary folder of its own, and its clients.

munged, slurmctld and slurmd run as children of this process with their own configuration, key, ports on loopback and
spool folders; nothing of a Slurm that the machine may have already is read or touched. Nodes of a real cluster differ
in this: there is no accounting database; memory limits are enforced by polling (JobAcctGatherParams=OverMemoryKill),
not by cgroups; the GPUs are device files that stand for GPUs: Slurm hands them out, but no program can use them.

Needs root (slurmd, mknod) and Debian's slurm-wlm, slurm-client and munge.
"""

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.cluster.processes import processes_with

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sacct", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
PACKAGES = "slurm-wlm slurm-client munge"
NODE = "node1"
GPUS = 2
CPUS = 8
MEMORY_MB = 16000

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/run/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=0,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=3600
KillWait=2
CompleteWait=0
InactiveLimit=0
JobRequeue=0
OverTimeLimit=0
DefMemPerCPU=200
GresTypes=gpu
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs={cpus} RealMemory={memory_MB} \
Gres=gpu:fake:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={node} Default=YES MaxTime=60 State=UP
PartitionName=gpu Nodes={node} MaxTime=60 State=UP
"""


class SlurmError(Exception):
    """The Slurm of the test could not be started, or does not answer; one line."""


def missing() -> str:
    """Why no Slurm can be started here, with what to do about it; empty if one can."""
    absent = [name for name in (*DAEMONS, *CLIENTS) if _program(name) is None]
    if absent:
        return f"no {absent[0]} on this machine; install Slurm as root: apt-get install {PACKAGES}"
    if os.geteuid() != 0:
        return "starting slurmd takes root; run as root: make test-cluster"
    return ""


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]


def wait_for(condition: Callable[[], object], event: str, seconds: float, every_s: float = 0.1) -> object:
    """The first true value of `condition`. Raises SlurmError when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise SlurmError(f"waited {seconds:.0f} s in vain for {event}")
        time.sleep(every_s)


class Daemons:
    """munged, slurmctld and slurmd; started by `with`, stopped at its end whatever happens."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self._running: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> Self:
        try:
            self._write_files()
            self._start("munged", *self._munge_options())
            wait_for((self.folder / "run/munge.sock").exists, "munged to open its socket", 20)
            self.start_controller()
            self._start("slurmd", "-D", "-f", str(self.folder / "etc/slurm.conf"), "-N", NODE)
            self.wait_for_node("idle", 60)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- files

    def _write_files(self) -> None:
        self.folder.chmod(0o755)  # munge refuses a socket in a closed folder
        for name in ("bin", "dev", "etc", "log", "run", "spool", "state"):
            (self.folder / name).mkdir(mode=0o755)
        key = self.folder / "etc/munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        for index in range(GPUS):  # clones of /dev/null: slurmd wants a device whose name ends in the GPU's index
            os.mknod(self.folder / f"dev/nvidia{index}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        controller_port, node_port = _free_ports(2)
        values = {
            "host": socket.gethostname().split(".")[0],
            "folder": self.folder,
            "controller_port": controller_port,
            "node_port": node_port,
            "node": NODE,
            "cpus": CPUS,
            "gpus": GPUS,
            "memory_MB": MEMORY_MB,
        }
        etc = self.folder / "etc"
        (etc / "slurm.conf").write_text(CONFIGURATION.format(**values))
        devices = f"File={self.folder}/dev/nvidia[0-{GPUS - 1}]"
        (etc / "gres.conf").write_text(f"AutoDetect=off\nNodeName={NODE} Name=gpu Type=fake {devices}\n")
        (etc / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        for name in CLIENTS:  # snakemake drops SLURM_CONF inside a job, so each client is told by a wrapper
            wrapper = self.folder / "bin" / name
            wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={etc}/slurm.conf exec {_program(name)} "$@"\n')
            wrapper.chmod(0o755)

    def _munge_options(self) -> list[str]:
        options = ["--foreground", "--force", f"--key-file={self.folder}/etc/munge.key"]
        for option, name in (("socket", "munge.sock"), ("pid-file", "munged.pid"), ("seed-file", "munge.seed")):
            options.append(f"--{option}={self.folder}/run/{name}")
        return [*options, f"--log-file={self.folder}/log/munged.log"]

    # ---- daemons

    def _start(self, name: str, *arguments: str) -> None:
        """Start a daemon as a child that the kernel ends when this process is killed."""
        log = (self.folder / f"log/{name}.txt").open("ab")
        with log:
            self._running[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", _program(name), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )

    def start_controller(self) -> None:
        """Start slurmctld and wait until it answers; after a stop it goes on from its saved state."""
        self._start("slurmctld", "-D", "-f", str(self.folder / "etc/slurm.conf"))
        wait_for(lambda: self._answers() or self._dead("slurmctld"), "slurmctld to answer", 60)
        if self._dead("slurmctld"):
            raise SlurmError(f"slurmctld ended: {self.last_message('slurmctld')}")

    def stop_controller(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End slurmctld alone; running jobs go on."""
        self._end("slurmctld", how)

    def _answers(self) -> bool:
        done = self._client("scontrol", "ping", check=False)
        return "is UP" in done.stdout

    def _dead(self, name: str) -> bool:
        return self._running[name].poll() is not None

    def last_message(self, name: str) -> str:
        """Last line of a daemon's log."""
        lines = (self.folder / f"log/{name}.txt").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it left no message"

    def _end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)

    def stop(self) -> None:
        """Cancel the jobs, end the three daemons and what they forgot, remove the folder."""
        with contextlib.suppress(SlurmError):
            if "slurmd" in self._running and "slurmctld" in self._running and self._answers():
                self.cancel_all()
        for name in reversed(DAEMONS):
            self._end(name)
        self._kill_what_is_left()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill_what_is_left(self) -> None:
        """Kill the processes of jobs that Slurm no longer knows."""
        while left := processes_with(self._mark()):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _mark(self) -> str:
        """What the environment of every job's processes holds."""
        return f"SLURM_CONF={self.folder}/etc/slurm.conf"

    # ---- clients

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a user of this Slurm: its clients come first on PATH."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return {**inherited, "PATH": f"{self.folder}/bin{os.pathsep}{os.environ.get('PATH', os.defpath)}", **more}

    def _client(self, name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        try:
            done = subprocess.run(
                [str(self.folder / "bin" / name), *arguments], capture_output=True, text=True, timeout=30, check=False
            )
        except subprocess.TimeoutExpired:
            raise SlurmError(f"{name} {' '.join(arguments)}: no answer within 30 s") from None
        if check and done.returncode != 0:
            raise SlurmError(f"{name} {' '.join(arguments)}: {done.stderr.strip()}")
        return done

    def ask(self, name: str, *arguments: str) -> str:
        """Standard output of a client. Raises SlurmError when it fails or does not end."""
        return self._client(name, *arguments).stdout

    def wait_for_node(self, state: str, seconds: float) -> None:
        """Wait until sinfo calls the node `state`."""

        def now() -> bool:
            for name in self._running:
                if self._dead(name):
                    raise SlurmError(f"{name} ended: {self.last_message(name)}")
            return self._node_state() == state

        wait_for(now, f"the node to be {state}", seconds)

    def _node_state(self) -> str:
        return (self._client("sinfo", "-h", "-N", "-o", "%T", check=False).stdout.split() or [""])[0]

    def cancel_all(self) -> None:
        """Cancel every job and wait until none is left."""
        self._client("scancel", "--user=root", check=False)
        wait_for(lambda: not self._client("squeue", "--noheader", check=False).stdout.strip(), "all jobs to end", 30)
