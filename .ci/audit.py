"""Audits what the project depends on and its own code: vulnerabilities, licences, findings of bandit.

`make audit` runs all of it; `make check` runs it with `--quick`. pip-audit and bandit come from the package
index, each into an environment of its own. Where they or the database of vulnerabilities cannot be reached,
that is told, and does not fail: licences are checked everywhere, and ruff holds bandit's rules.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
CODE = (
    "kinetic-mailchimp-kit/kinetic_mailchimp",
    "tap-epicor-kinetic/tap_epicor_kinetic",
    "tap-mailchimp-webhooks/tap_mailchimp_webhooks",
    "target-epicor-contacts/target_epicor_contacts",
    "target-mailchimp/target_mailchimp",
    ".ci",
)
PATIENCE = {False: 600, True: 60}
"""By quick or not: seconds for one tool."""

FREE = re.compile(
    r"\b(MIT|MIT-0|BSD|0BSD|Apache|ISC|MPL|PSF|Python|Unlicense|CNRI|HPND|ZPL|Zope|LGPL|Lesser General Public"
    r"|PostgreSQL|Public Domain|CC0|Mozilla|WTFPL|BlueOak)",
    re.IGNORECASE,
)
COPYLEFT = re.compile(r"(?<!L)(?<!Lesser )\b(A?GPL|General Public License|Affero|SSPL|BUSL)", re.IGNORECASE)

READ = {
    "Mailchimp Client Library License Agreement": "grants what Apache-2.0 does (sections 2 to 4 of the file "
    "LICENSE in the distribution); a tool of the tests, not passed on"
}
"""Title of a licence that no list knows → the reason for which it was accepted after its text was read."""

EXPLAINED = {
    ("B404", ""): "subprocess is imported where the operator's own commands and git are started",
    ("B603", ""): "no shell takes part; what is started is the operator's or this file's (see each noqa)",
    ("B607", ".ci/release.py"): "git, as the person who releases has it",
    ("B608", ""): "names of our own columns and question marks; values are always bound",
    ("B105", ""): "names of settings, of variables and public addresses; no value of a secret",
    ("B405", "kinetic_mailchimp/epicor/metadata.py"): "see B314",
    (
        "B314",
        "kinetic_mailchimp/epicor/metadata.py",
    ): "expat limits the expansion of entities, and the transport "
    "limits the size; external entities are not loaded",
}
"""(rule, end of the path or nothing) → the reason for which a finding of bandit stays."""


def locked() -> list[str]:
    """Names of all distributions in the lock file."""
    return re.findall(r"^([A-Za-z0-9][\w.-]*)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)


def licence_of(found: Distribution) -> str:
    """The licence as the metadata states it: expression, classifiers or text; else the title of its file."""
    about = found.metadata
    classifiers = [text for text in about.get_all("Classifier") or [] if text.startswith("License ::")]
    expression, text = ("".join(about.get_all(name) or []) for name in ("License-Expression", "License"))
    stated = text.strip().removeprefix("UNKNOWN") or found.read_text("LICENSE") or ""
    return expression or "; ".join(classifiers) or stated.partition("\n")[0].strip()


def licence_problems() -> list[str]:
    """Distributions whose licence is unknown, or asks more of who passes them on than this project's does."""
    problems = []
    for name in locked():
        try:
            licence = licence_of(distribution(name))
        except PackageNotFoundError:
            continue  # for another platform
        if licence in READ:
            continue
        if not FREE.search(licence) or COPYLEFT.search(FREE.sub("", licence)):
            problems.append(f"{name}: {licence or 'its metadata names no licence'}")
    return problems


def run_tool(*command: str, patience: float) -> str | None:
    """Output of a tool in an environment of its own; None where it cannot be installed or does not end."""
    uv = Path(sys.executable).with_name("uv")
    try:
        ended = subprocess.run(  # noqa: S603 (the program of this environment)
            [uv, "tool", "run", "--quiet", "--python", sys.executable, *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        return None
    return ended.stdout or None


def parsed(text: str | None) -> Any:  # noqa: ANN401 (JSON)
    """The JSON document that a tool printed; None for anything else."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def vulnerability_problems(patience: float) -> list[str] | None:
    """Known vulnerabilities of what the lock file pins; None where the database cannot be reached."""
    found = parsed(
        run_tool(
            *("pip-audit", "--requirement", str(LOCK), "--require-hashes", "--disable-pip"),
            *("--format", "json", "--progress-spinner", "off"),
            patience=patience,
        )
    )
    audited = [part for part in (found or {}).get("dependencies", []) if "vulns" in part]
    if not audited:  # behind a mirror, pip-audit skips every one and ends well
        return None
    return [
        f"{part['name']} {part['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions'])}"
        for part in audited
        for flaw in part["vulns"]
    ]


def bandit_problems(patience: float) -> list[str] | None:
    """Findings of bandit that nobody explained; None where it cannot be installed."""
    found = parsed(run_tool("bandit", "--quiet", "--recursive", "--format", "json", *CODE, patience=patience))
    if found is None:
        return None
    return [
        f"{finding['filename']}:{finding['line_number']}: {finding['test_id']} {finding['issue_text']}"
        for finding in found["results"]
        if not any(
            rule == finding["test_id"] and finding["filename"].endswith(end) for rule, end in EXPLAINED
        )
    ]


def main(*, quick: bool) -> int:
    """Run the audit and tell what it found.

    Args:
        quick: Leaves bandit out, and waits for a minute at most.
    """
    checks = {
        f"licences of {len(locked())} dependencies": licence_problems(),
        "known vulnerabilities": vulnerability_problems(PATIENCE[quick]),
    }
    if not quick:
        checks["bandit"] = bandit_problems(PATIENCE[quick])
    for name, problems in checks.items():
        if problems is None:
            print(f"{name}: NOT CHECKED, its tool or its database cannot be reached from here")
        else:
            print(f"{name}: {'; '.join(problems) or 'nothing found'}")
    return int(any(checks.values()))


if __name__ == "__main__":
    sys.exit(main(quick="--quick" in sys.argv[1:]))
