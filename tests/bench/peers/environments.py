"""Environments of the peers, made from PyPI and kept until a version changes."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
ENVIRONMENTS = BIN.parent / "peers"


class NotInstalledError(Exception):
    """A peer cannot be installed here; the text is the reason."""


def peers() -> dict[str, dict[str, list[str]]]:
    """The peers and their pinned packages."""
    return tomllib.loads((HERE / "peers.toml").read_text(encoding="utf-8"))


def program(name: str) -> str:
    """The path of a program that runs in the environment of a peer."""
    return str(HERE / "programs" / name)


@cache
def environment(peer: str) -> Path:
    """The folder of a peer's commands.

    Raises:
        NotInstalledError: uv says why.
    """
    wanted = peers()[peer]
    folder, known = ENVIRONMENTS / peer, repr(wanted)
    stamp = folder / "installed"
    if not (stamp.exists() and stamp.read_text(encoding="utf-8") == known):
        _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        overrides = folder / "overrides.txt"
        overrides.write_text("\n".join(wanted.get("override", [])), encoding="utf-8")
        arguments = ["--python", str(folder / "bin" / "python"), "--override", str(overrides)]
        _uv("pip", "install", "--quiet", "--compile-bytecode", *arguments, *wanted["packages"])
        stamp.write_text(known, encoding="utf-8")
    return folder / "bin"


def _uv(*arguments: str) -> None:
    ended = subprocess.run([str(BIN / "uv"), *arguments], capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        last = [line for line in ended.stderr.splitlines() if line.strip()][-1:]
        raise NotInstalledError(last[0].strip() if last else f"uv ended with {ended.returncode}")
