"""Reads the lines that a README shows to type, and makes a script of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path


def sections(readme: Path) -> dict[str, list[str]]:
    """The console lines of each section that has some, by its heading; a line that goes on stays one.

    Args:
        readme: A Markdown file.
    """
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", readme.read_text(encoding="utf-8"), flags=re.MULTILINE):
        heading = section.partition("\n")[0]
        for block in re.findall(r"^```console\n(.*?)^```$", section, re.DOTALL | re.MULTILINE):
            found.setdefault(heading, []).extend(re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE))
    return found


def script(lines: list[str], treated: Mapping[str, str]) -> str:
    """A shell script that shows and runs each line, and ends at the first that fails.

    Args:
        lines: As the README has them.
        treated: What runs in place of a line, by how that line begins: for one that serves until it is
            stopped, or that a person would complete.

    Raises:
        SystemExit: The README has no such line any more.
    """
    steps = []
    unused = set(treated)
    for line in lines:
        begin = max((begin for begin in treated if line.startswith(begin)), key=len, default=None)
        unused -= {begin}
        steps += [f"printf '$ %s\\n' {shlex.quote(line)}", line if begin is None else treated[begin]]
    if unused:
        raise SystemExit(f"The README has no line that begins with {', '.join(sorted(unused))}.")
    return "\n".join(["set -eu -o pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT", *steps, ""])
