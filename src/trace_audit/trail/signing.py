"""Signatures of ledger records with an ssh key, made and checked by `ssh-keygen -Y`.

A run signs when the environment variable TRACE_AUDIT_SIGNING_KEY names a private key without a passphrase. A record
then names its public key, and its signature stands beside it, `000001.json.sig`.
"""

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from trace_audit.core.errors import InputError

VARIABLE = "TRACE_AUDIT_SIGNING_KEY"
SUFFIX = ".sig"
NAMESPACE = "trace-audit-ledger"
_PUBLIC_KEY = re.compile(r"[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,4096}={0,2}", re.ASCII)
_TIME_LIMIT_S = 30


def _ssh_keygen(arguments: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run ssh-keygen without a terminal, so that it fails where it would ask. Raises InputError if it is not there."""
    environment = {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments],
            input=data,
            capture_output=True,
            check=False,
            env=environment,
            start_new_session=True,
            timeout=_TIME_LIMIT_S,
        )
    except FileNotFoundError as error:
        raise InputError("ssh-keygen not found, needed for signatures; install OpenSSH's client") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(f"ssh-keygen {arguments[1]}: did not end within {_TIME_LIMIT_S} s") from error


@dataclass(frozen=True)
class Signer:
    """A private key file and its public key, "type base64"."""

    key: Path
    public_key: str

    @classmethod
    def from_environment(cls) -> "Signer | None":
        """The signer that TRACE_AUDIT_SIGNING_KEY names, None if it is unset. Raises InputError if it is no key."""
        name = os.environ.get(VARIABLE)
        return cls.from_file(Path(name)) if name else None

    @classmethod
    def from_file(cls, key: Path) -> "Signer":
        """The signer with this private key. Raises InputError if it cannot be read without a passphrase."""
        done = _ssh_keygen(["-y", "-P", "", "-f", str(key)], b"")
        public = " ".join(done.stdout.decode(errors="replace").split()[:2])
        if done.returncode or not _PUBLIC_KEY.fullmatch(public):
            raise InputError(f"{VARIABLE} {key}: {_complaint(done)}; expected a private ssh key without a passphrase")
        return cls(key, public)

    def sign(self, data: bytes) -> bytes:
        """The armoured signature of `data`."""
        done = _ssh_keygen(["-Y", "sign", "-q", "-f", str(self.key), "-n", NAMESPACE], data)
        if done.returncode or not done.stdout:
            raise InputError(f"{VARIABLE} {self.key}: {_complaint(done)}; the record was not written")
        return done.stdout


def _complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else f"ssh-keygen ended with exit status {done.returncode}"


def check(data: bytes, signature: Path, public_key: object, allowed_signers: Path | None) -> str | None:
    """What is wrong with the signature of a record that names `public_key`, None if nothing is.

    `allowed_signers` (the file format of ssh-keygen) says which keys count; without it the record's own does.
    """
    if not isinstance(public_key, str) or not _PUBLIC_KEY.fullmatch(public_key):
        return "names no proper public key"
    with tempfile.TemporaryDirectory(prefix="signers-") as folder:
        own = Path(folder) / "signers"
        own.write_text(f"record {public_key}\n", encoding="ascii")
        if not _verifies(data, signature, own, "record"):
            return "its signature is not that of its key over these bytes"
    if allowed_signers is None:
        return None
    principals = _ssh_keygen(["-Y", "find-principals", "-s", str(signature), "-f", str(allowed_signers)], b"")
    names = principals.stdout.decode(errors="replace").splitlines()
    if principals.returncode or not names or not _verifies(data, signature, allowed_signers, names[0]):
        return f"signed by a key that is not in {allowed_signers}"
    return None


def _verifies(data: bytes, signature: Path, signers: Path, principal: str) -> bool:
    arguments = ["-Y", "verify", "-f", str(signers), "-I", principal, "-n", NAMESPACE, "-s", str(signature)]
    return _ssh_keygen(arguments, data).returncode == 0
