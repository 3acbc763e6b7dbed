"""Installs the peers below ``.peers/``, each into a directory of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.paths import HERE, PEERS


class InstallError(Exception):
    """A peer cannot be installed here; the message says what is missing."""


def run(command: Sequence[str | Path], cwd: Path | None = None) -> None:
    """Run an installer without output; show its output only if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise InstallError(f"{' '.join(map(str, command))} failed:\n{tail}")


def _is_current(stamp: Path, sources: Sequence[Path]) -> str | None:
    """Return None if ``stamp`` matches the sources, else the text to write into it."""
    digest = hashlib.sha256(b"".join(f.read_bytes() for f in sources)).hexdigest()
    return None if stamp.exists() and stamp.read_text() == digest else digest


def venv(name: str, requirements: Path) -> Path:
    """Make a virtual environment with pinned ``requirements``; return its ``bin``."""
    place = PEERS / name
    stamp = place / "stamp"
    if digest := _is_current(stamp, [requirements]):
        shutil.rmtree(place, ignore_errors=True)
        run([sys.executable, "-m", "venv", place])
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        run([*pip, "--disable-pip-version-check", "-r", requirements])
        stamp.write_text(digest)
    return place / "bin"


def node_project(name: str, *, build: bool) -> Path:
    """Install a Node project from its lock file and build it if asked; return its directory."""
    if shutil.which("npm") is None:
        raise InstallError("npm is missing (Debian: apt-get install npm)")
    source = HERE / "peers" / name
    place = PEERS / name
    files = [*sorted(f for f in source.iterdir() if f.is_file()), HERE / "peers" / "event.mjs"]
    if digest := _is_current(place / "stamp", files):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for file in files:
            shutil.copy(file, place)
        run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], place)
        if build:
            run(["npm", "run", "--silent", "build"], place)
        (place / "stamp").write_text(digest)
    return place


def debian(package: str, proof: Path) -> None:
    """Install a Debian package unless ``proof``, a file of it, exists; needs root."""
    if proof.exists():
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise InstallError(f"{proof} is missing: apt-get install {package}, as root")
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    run([*apt, "update", "-qq"])
    # The package must not start its service, because the benchmark starts its own.
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        run([*apt, "install", "-y", "-qq", "--no-install-recommends", package])
    finally:
        if ours:
            policy.unlink()
