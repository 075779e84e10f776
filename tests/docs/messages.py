"""Collects every error message of the production code, and holds each to thing, cause and fix.

The message names the thing and what is wrong with it, in a sentence; the advice says what to do. Values that
are known only when the error is raised stand as `…`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from words import PACKAGES, ROOT

BASE = "ConnectorError"
FEWEST_WORDS = 3
_SENTENCE = re.compile(r"…|[A-Z`…-].*[.!?…:]", re.DOTALL)


@dataclass(frozen=True)
class Message:
    """An error as it is raised somewhere.

    Attributes:
        place: File and line.
        kind: The class of the error.
        text: The message.
        advice: The advice; None where there is none.
    """

    place: str
    kind: str
    text: str
    advice: str | None

    def faults(self) -> Iterator[str]:
        """What a user would miss."""
        if not _SENTENCE.fullmatch(self.text) or (
            len(self.text.split()) < FEWEST_WORDS and "…" not in self.text
        ):
            yield f"{self.place}: {self.kind}: {self.text!r} names no thing and cause in a sentence."
        if not self.advice:
            yield f"{self.place}: {self.kind}: {self.text!r} has no advice: say what to do."
        elif not _SENTENCE.fullmatch(self.advice):
            yield f"{self.place}: {self.kind}: the advice {self.advice!r} is not a sentence."


def sources() -> dict[str, str]:
    """The text of every module that is published, by its path."""
    files = (file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py")))
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}


def messages(modules: Mapping[str, str]) -> Iterator[Message]:
    """Every error that a user can meet.

    Args:
        modules: The text of each module, by its path.
    """
    trees = {place: ast.parse(source) for place, source in modules.items()}
    classes = {
        node.name: node
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    errors = _descendants(classes)
    positions = {name: _own_arguments(name, classes) for name in errors}
    for place, tree in trees.items():
        constants = _constants(tree)
        for node in ast.walk(tree):
            name = _name(node.func) if isinstance(node, ast.Call) else ""
            if not isinstance(node, ast.Call) or name not in errors or not node.args:
                continue
            before, advises = positions[name]
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            advice = "…" if advises else _text(given["advice"], constants) if "advice" in given else None
            if isinstance(node.args[-1], ast.Starred):
                continue
            yield Message(f"{place}:{node.lineno}", name, _text(node.args[before], constants), advice)


def _descendants(classes: Mapping[str, ast.ClassDef]) -> set[str]:
    found = {BASE}
    while True:
        more = {
            name for name, node in classes.items() if {_name(base) for base in node.bases} & found
        } - found
        if not more:
            return found
        found |= more


def _own_arguments(name: str, classes: Mapping[str, ast.ClassDef]) -> tuple[int, bool]:
    """The number of arguments before the message, and whether the class advises by itself."""
    node = classes.get(name)
    while node is not None and node.name != BASE:
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                names = [argument.arg for argument in inner.args.args[1:]]
                options = {argument.arg for argument in inner.args.kwonlyargs}
                passes_on = inner.args.kwarg is not None or "advice" in options
                return names.index("message") if "message" in names else 0, not passes_on
        node = classes.get(next(iter(map(_name, node.bases)), ""))
    return 0, False


def _constants(tree: ast.Module) -> dict[str, str]:
    """Names with a text, of the module and of its functions."""
    return {
        target.id: _text(node.value, {})
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _text(node: ast.expr, constants: Mapping[str, str]) -> str:
    """The text of an expression, with `…` for what is not known before."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, constants) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, constants) + _text(node.right, constants)
    if isinstance(node, ast.Name):
        return constants.get(node.id, "…")
    if isinstance(node, ast.IfExp):
        return min(_text(node.body, constants), _text(node.orelse, constants), key=len)
    return "…"


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def main() -> None:
    """Name every message that lacks something."""
    faults = [fault for message in messages(sources()) for fault in message.faults()]
    if faults:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
