"""Holds production code and documentation to words that an engineer of this field would use.

`python tests/docs/words.py` names each place that has a word which must not come back: in texts, docstrings
and comments of the packages, in their templates, and in Markdown. Tests and simulators are not read.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "kinetic-mailchimp-kit/kinetic_mailchimp",
    "tap-epicor-kinetic/tap_epicor_kinetic",
    "tap-mailchimp-webhooks/tap_mailchimp_webhooks",
    "target-epicor-contacts/target_epicor_contacts",
    "target-mailchimp/target_mailchimp",
)
WRITTEN_BY_TESTS = ("docs/consent.md",)
OPENING = re.compile(r"\s*(What|Whether|How|Where|Which|Who|Whoever|Whom|Whose)\b")
# Each with the form that the field uses instead.
WORDS = {
    r"(?<![Tt]here )\b(is|was|are) no\b(?! (longer|more|need)\b)": "write `is not a valid …` or `has no …`",
    r"\b[Mm]end(s|ed|ing)?\b": "write `fix` or `repair`",
    r"\banew\b": "write `again`",
    r"\b([Ss]omebody|[Ww]ho(m)?ever)\b": "name the person, the member or the caller",
    r"\bthe other side\b": "name the vendor",
    r"\b[Mm]oments?\b": "write `timestamp` or `time`",
    r"\b([Ll]anes?|[Gg]lance[ds]?|[Ss]tumbl\w+|[Oo]vertook)\b": "see docs/glossary.md",
    r"\blast told\b": "write `last known`",
}


def offences(source: str, place: str) -> Iterator[str]:
    """Each place of a module with a word that must not come back, as `file:line: …`.

    Args:
        source: The text of the module.
        place: Its path, for the message.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            # A docstring, or a text that stands alone below an attribute.
            yield from _opening("docstring", str(node.value.value), place, node.lineno)
        elif isinstance(node, ast.keyword):
            if node.arg == "description" and isinstance(node.value, ast.Constant):
                yield from _opening("description", str(node.value.value), place, node.value.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _words(node.value, place, node.lineno)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield from _words(token.string, place, token.start[0])


def _opening(kind: str, text: str, place: str, line: int) -> Iterator[str]:
    if found := OPENING.match(text):
        yield f"{place}:{line}: a {kind} opens with `{found[1]}`: use a verb or a noun."


def _words(text: str, place: str, first_line: int) -> Iterator[str]:
    for pattern, advice in WORDS.items():
        for match in re.finditer(pattern, text):
            line = first_line + text.count("\n", 0, match.start())
            yield f"{place}:{line}: `{match[0]}`: {advice}."


def _all_offences() -> Iterator[str]:
    command = ["git", "ls-files", *PACKAGES, "*.md"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for place in listed.splitlines():
        if not (ROOT / place).is_file() or place in WRITTEN_BY_TESTS:
            continue
        if place.endswith(".py"):
            yield from offences((ROOT / place).read_text(encoding="utf-8"), place)
        elif place.endswith((".md", ".html")):
            yield from _words((ROOT / place).read_text(encoding="utf-8"), place, 1)


def main() -> None:
    """Name every place."""
    found = sorted(_all_offences())
    sys.stdout.writelines(f"{place}\n" for place in found)
    if found:
        raise SystemExit(f"{len(found)} places have words that must not come back.")


if __name__ == "__main__":
    main()
