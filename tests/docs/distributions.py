"""Gives every distribution its version, bounds that follow from it, addresses and the licence."""

from __future__ import annotations

import functools
import re
import tomllib
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


@functools.cache
def urls() -> dict[str, str]:
    """The addresses of the project, by their names in the metadata; the root's pyproject.toml has them."""
    found: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "urls"
    ]
    return found


def wanted() -> dict[Path, str]:
    """The pyproject.toml and the LICENSE of each distribution, as they should be."""
    number = version()
    addresses = "".join(f'{name} = "{url}"\n' for name, url in urls().items())
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
        text = re.sub(rf'("{LIBRARY}\[[^\]]*\])[<>=][^"]*"', rf'\g<1>{bounds(number)}"', text)
        files[file] = re.sub(r"(?<=^\[project\.urls\]\n)(?:.+\n)*", addresses, text, flags=re.MULTILINE)
    files |= {ROOT / member / "LICENSE": licence for member in PUBLISHED}
    return files
