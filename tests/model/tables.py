"""Reads the tables of docs/consent.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipelines import ROOT
from play import Scene, address_of

PAGE = ROOT / "docs" / "consent.md"


def lines(heading: str) -> Iterator[dict[str, str]]:
    """The lines of the table under a heading, by the names of its columns."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    names, _, *others = rows
    for row in others:
        yield dict(zip(names, row, strict=True))


def expected(line: Mapping[str, str], *, audit_lost: bool) -> tuple[str, str]:
    """What both sides must show, without or with the loss of the audit database."""
    flags, statuses = line["Flag in Epicor"], line["Status in Mailchimp"]
    told = line["Without the audit database"].partition(":")[0]
    if audit_lost and told == "undecided":
        return "", ""
    if audit_lost and told != "same":
        parts = [part.strip() for part in told.split(",")]
        flags = ", ".join(part for part in parts if "@" not in part) or flags
        statuses = ", ".join(part for part in parts if "@" in part) or statuses
    return flags, statuses


def differences(scene: Scene, flags: str, statuses: str) -> list[str]:
    """How a scene differs from what the cells of a line say."""
    found = []
    for part in _parts(flags):
        who, flag = part.rsplit(" ", 1)
        if scene.flag(who) != flag:
            found.append(f"the flag of {who} is {scene.flag(who)} and not {flag}")
    for part in _parts(statuses):
        word, status = part.split("@ ")
        shown = scene.world.status(address_of(word))
        if shown != status:
            found.append(f"{word}@ is {shown} and not {status}")
    return found


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(",") if part.strip()]
