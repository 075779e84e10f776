"""Holds production code to words that an engineer of this field would use.

`python tests/docs/words.py` names each place that has a word which must not come back; `--count` adds them up
by package. Tests and simulators are not read.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "kinetic-mailchimp-kit/kinetic_mailchimp",
    "tap-epicor-kinetic/tap_epicor_kinetic",
    "tap-mailchimp-webhooks/tap_mailchimp_webhooks",
    "target-epicor-contacts/target_epicor_contacts",
    "target-mailchimp/target_mailchimp",
)
BASELINE: dict[str, int] = {}
"""How many places each package may still have; to be empty."""
DOCSTRING = re.compile(r"\s*(What|Whether|How|Where|Who|Whoever|Whom|Whose)\b")
# Each with the form that the field uses instead.
MESSAGES = {
    r"(?<![Tt]here )\b(is|was|are) no\b(?! (longer|more|need)\b)": "write `is not a valid …` or `has no …`",
    r"\b[Mm]end(s|ed|ing)?\b": "write `fix` or `repair`",
    r"\banew\b": "write `again`",
    r"\b([Ss]omebody|[Ww]hoever)\b": "name the part: the person, the member, the caller",
    r"\bthe other side\b": "name the vendor",
}


def offences(source: str, place: str) -> Iterator[str]:
    """Each place of a module with a word that must not come back, as `file:line: …`.

    Args:
        source: The text of the module.
        place: Its path, for the message.
    """
    tree = ast.parse(source)
    docstrings = {id(node.value): node.value for node in ast.walk(tree) if _is_docstring(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if id(node) in docstrings:
            found = DOCSTRING.match(node.value)
            if found:
                yield f"{place}:{node.lineno}: a docstring opens with `{found[1]}`: use a verb or a noun."
            continue
        for pattern, advice in MESSAGES.items():
            for match in re.finditer(pattern, node.value):
                yield f"{place}:{node.lineno}: `{match[0]}` in a text: {advice}."


def _is_docstring(node: ast.AST) -> TypeGuard[ast.Expr]:
    """Any text that stands alone: of a module, a class, a function, or below an attribute."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def main() -> None:
    """Name every place, or count them."""
    found = {
        package: [
            text
            for file in sorted((ROOT / package).rglob("*.py"))
            for text in offences(file.read_text(encoding="utf-8"), str(file.relative_to(ROOT)))
        ]
        for package in PACKAGES
    }
    if "--count" in sys.argv:
        for package, places in found.items():
            kinds = Counter(re.sub(r".*?:\d+: (a docstring|`[^`]+`).*", r"\1", place) for place in places)
            sys.stdout.write(f"{len(places):5} {package}: {dict(kinds.most_common())}\n")
        return
    over = {package: places for package, places in found.items() if len(places) > BASELINE.get(package, 0)}
    for place in (place for places in over.values() for place in places):
        sys.stdout.write(f"{place}\n")
    if over:
        raise SystemExit(f"{sum(map(len, over.values()))} places have words that must not come back.")


if __name__ == "__main__":
    main()
