"""Gives every distribution the version of the file VERSION, bounds that follow from it, and the licence."""

from __future__ import annotations

import re
from pathlib import Path

from plugin_definitions import ROOT

LIBRARY = "kinetic-mailchimp-kit"
PUBLISHED = (
    LIBRARY,
    "tap-epicor-kinetic",
    "tap-mailchimp-webhooks",
    "target-epicor-contacts",
    "target-mailchimp",
)


def version() -> str:
    """The version of all distributions.

    Raises:
        SystemExit: The file VERSION has no version such as 1.2.3 or 1.2.3rc1.
    """
    text = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", text):
        raise SystemExit(f"VERSION: `{text}` is not a version such as 1.2.3 or 1.2.3rc1.")
    return text


def bounds(version: str) -> str:
    """The versions of the library that a plugin of this version works with.

    Args:
        version: Of the plugin. Before 1.0 each minor version may break; after it each major version.
    """
    major, minor = (int(part) for part in version.split(".")[:2])
    upper = f"0.{minor + 1}" if major == 0 else f"{major + 1}"
    lower = f"{major}.{minor}.0.dev0" if re.search("[a-z]", version) else f"{major}.{minor}"
    return f">={lower},<{upper}"


def wanted() -> dict[Path, str]:
    """The pyproject.toml and the LICENSE of each distribution, as they should be."""
    number = version()
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    files = {}
    for member in (*PUBLISHED, "tests/simulators"):
        file = ROOT / member / "pyproject.toml"
        text = re.sub(
            r'^version = ".*"$',
            f'version = "{number}"',
            file.read_text(encoding="utf-8"),
            count=1,
            flags=re.MULTILINE,
        )
        files[file] = re.sub(rf'("{LIBRARY}\[[^\]]*\])[<>=][^"]*"', rf'\g<1>{bounds(number)}"', text)
    files |= {ROOT / member / "LICENSE": licence for member in PUBLISHED}
    return files
