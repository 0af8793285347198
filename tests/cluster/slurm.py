"""A real Slurm with one node, in a temporary folder of its own, for as long as a `with` block lasts.

    with Slurm() as slurm:
        subprocess.run(["make", "audit", "PROFILE=slurm"], env=slurm.environment())

    python -m tests.cluster.slurm make audit PROFILE=slurm      # the same for any command

munged, slurmctld and slurmd run as children of this process with their own configuration, key, ports on loopback and
spool folders; nothing of a Slurm that the machine may have already is read or touched. Nodes of a real cluster differ
in this: there is no accounting database; memory limits are enforced by polling (JobAcctGatherParams=OverMemoryKill),
not by cgroups; the GPUs are device files that stand for GPUs: Slurm hands them out, but no program can use them.

Needs root (slurmd, mknod) and Debian's slurm-wlm, slurm-client and munge.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

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
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for(condition: Callable[[], object], what: str, seconds: float, every_s: float = 0.1) -> object:
    """The first true value of `condition`. Raises SlurmError when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise SlurmError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(every_s)


class Slurm:
    """munged, slurmctld and slurmd; started by `with`, stopped at its end whatever happens."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self._running: dict[str, subprocess.Popen] = {}
        self._forgotten = 0

    def __enter__(self) -> "Slurm":
        try:
            self._write_files()
            self._start("munged", *self._munge_words())
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

    def _munge_words(self) -> list[str]:
        words = ["--foreground", "--force", f"--key-file={self.folder}/etc/munge.key"]
        for option, name in (("socket", "munge.sock"), ("pid-file", "munged.pid"), ("seed-file", "munge.seed")):
            words.append(f"--{option}={self.folder}/run/{name}")
        return [*words, f"--log-file={self.folder}/log/munged.log"]

    # ---- daemons

    def _start(self, name: str, *words: str) -> None:
        """Start a daemon as a child that the kernel ends when this process is killed."""
        log = (self.folder / f"log/{name}.txt").open("ab")
        with log:
            self._running[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", _program(name), *words],
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
            raise SlurmError(f"slurmctld ended: {self.last_words('slurmctld')}")

    def stop_controller(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End slurmctld alone; running jobs go on."""
        self._end("slurmctld", how)

    def lose_jobs(self) -> None:
        """Start slurmctld anew without its saved state: it knows none of the jobs, and counts from 1 again."""
        self._end("slurmctld", signal.SIGKILL)
        shutil.rmtree(self.folder / "state")
        (self.folder / "state").mkdir(mode=0o755)
        self._forgotten = 0
        self.start_controller()

    def _answers(self) -> bool:
        done = self._client("scontrol", "ping", check=False)
        return "is UP" in done.stdout

    def _dead(self, name: str) -> bool:
        return self._running[name].poll() is not None

    def last_words(self, name: str) -> str:
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
        """Cancel the jobs, end the three daemons, remove the folder."""
        with contextlib.suppress(SlurmError):
            if "slurmd" in self._running and "slurmctld" in self._running and self._answers():
                self.cancel_all()
        for name in reversed(DAEMONS):
            self._end(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- what a test asks

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a user of this Slurm: its clients come first on PATH."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return {**inherited, "PATH": f"{self.folder}/bin{os.pathsep}{os.environ.get('PATH', os.defpath)}", **more}

    def _client(self, name: str, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        try:
            done = subprocess.run(
                [str(self.folder / "bin" / name), *words], capture_output=True, text=True, timeout=30, check=False
            )
        except subprocess.TimeoutExpired:
            raise SlurmError(f"{name} {' '.join(words)}: no answer within 30 s") from None
        if check and done.returncode != 0:
            raise SlurmError(f"{name} {' '.join(words)}: {done.stderr.strip()}")
        return done

    def ask(self, name: str, *words: str) -> str:
        """Standard output of a client. Raises SlurmError when it fails or does not end."""
        return self._client(name, *words).stdout

    def wait_for_node(self, state: str, seconds: float) -> None:
        """Wait until sinfo calls the node `state`."""

        def now() -> bool:
            for name in self._running:
                if self._dead(name):
                    raise SlurmError(f"{name} ended: {self.last_words(name)}")
            return self._node_state() == state

        wait_for(now, f"the node to be {state}", seconds)

    def _node_state(self) -> str:
        return (self._client("sinfo", "-h", "-N", "-o", "%T", check=False).stdout.split() or [""])[0]

    def jobs(self) -> list[dict[str, str]]:
        """Slurm's own record of every job not forgotten, in order: the fields of `scontrol show job -d`."""
        text = self.ask("scontrol", "show", "job", "-d", "--oneliner")
        lines = [line for line in text.splitlines() if line.startswith("JobId=")]
        records = [dict(re.findall(r"(?:^|\s)([A-Za-z_:/]+)=(\S*)", line)) for line in lines]
        recent = [record for record in records if int(record["JobId"]) > self._forgotten]
        return sorted(recent, key=lambda record: int(record["JobId"]))

    def forget(self) -> None:
        """Leave the jobs so far out of what `jobs` returns."""
        self._forgotten = max((int(job["JobId"]) for job in self.jobs()), default=self._forgotten)

    def reset(self) -> None:
        """No job in the queue, slurmctld at work, and a node that takes jobs."""
        if "slurmctld" not in self._running:
            self.start_controller()
        self.cancel_all()
        if self._node_state() != "idle":
            self.ask("scontrol", "update", f"NodeName={NODE}", "State=RESUME")
        self.wait_for_node("idle", 60)

    def cancel_all(self) -> None:
        """Cancel every job and wait until none is left."""
        self._client("scancel", "--user=root", check=False)
        wait_for(lambda: not self._client("squeue", "--noheader", check=False).stdout.strip(), "all jobs to end", 30)

    def jobs_of(self, rule: str) -> list[dict[str, str]]:
        """The jobs of one rule, which the plugin names in the comment."""
        names = (f"rule_{rule}", f"rule_{rule}_wildcards_")
        return [job for job in self.jobs() if job["Comment"] == names[0] or job["Comment"].startswith(names[1])]

    def running_job(self, rule: str, seconds: float = 120) -> str:
        """Id of the job of a rule whose work, a job step, has begun; waits for it."""

        def at_work() -> list[str]:
            steps = self.ask("squeue", "--steps", "--noheader", "--format=%i").split()
            return [job["JobId"] for job in self.jobs_of(rule) if f"{job['JobId']}.0" in steps]

        return wait_for(at_work, f"a job of rule {rule} to run", seconds)[0]

    def freeze(self, job: str, how: signal.Signals = signal.SIGSTOP) -> None:
        """Stop the processes of a job's work, so that it hangs; with SIGCONT they go on."""
        told: set[int] = set()
        new = wait_for(lambda: self._at_work(job), f"the processes of job {job}", 20, every_s=0.02)
        while new:  # one that was just starting another is asked again
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
            told |= new
            new = self._at_work(job) - told

    def _at_work(self, job: str) -> set[int]:
        """The processes of a job's first step: those whose environment says so, and their descendants.

        `scontrol listpids` is not asked: while a step starts, it answers -1 (to kill(2): every process there is) or
        names all processes of the machine.
        """
        marks = {f"SLURM_CONF={self.folder}/etc/slurm.conf", f"SLURM_JOB_ID={job}", "SLURM_STEP_ID=0"}
        at_work, parents = set(), {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                pid = int(folder.name)
                if marks <= set((folder / "environ").read_text(errors="replace").split("\0")):
                    at_work.add(pid)
                parents[pid] = int((folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        while more := {pid for pid, parent in parents.items() if parent in at_work} - at_work:
            at_work |= more
        return at_work


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that the daemons are stopped."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(command: list[str]) -> int:
    """Run a command with a Slurm of its own; its exit status. --check: only say whether that can be done."""
    reason = missing()
    if reason or not command:
        print(f"error: {reason or 'give the command to run'}", file=sys.stderr)
        return 2
    if command == ["--check"]:
        return 0
    try:
        with _terminated_like_interrupted(), Slurm() as slurm:
            return subprocess.run(command, env=slurm.environment(), check=False).returncode
    except SlurmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
