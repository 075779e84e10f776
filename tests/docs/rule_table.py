"""Makes the table of docs/rules.md: each rule with the tests that carry its mark."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from plugin_definitions import ROOT

RULES = tuple(f"R{number}" for number in range(1, 11))
DOCS = ROOT / "docs"
UNPROVED: tuple[str, ...] = ()
"""Rules whose tests have no mark yet; to be empty."""
SKIPPED = frozenset({".venv", ".meltano", "data", "dist", "build"})


def marked_tests() -> dict[str, dict[Path, list[str]]]:
    """The marked tests of each rule, by file, read from the source without running anything.

    Raises:
        SystemExit: A mark names a rule that does not exist, or a rule has no test.
    """
    found: dict[str, dict[Path, list[str]]] = {rule: {} for rule in RULES}
    for file in sorted(ROOT.rglob("test_*.py")):
        relative = file.relative_to(ROOT)
        if SKIPPED & set(relative.parts):
            continue
        for rule, test in _marks(ast.parse(file.read_text(encoding="utf-8"))):
            if rule not in found:
                raise SystemExit(f"{relative}: `{test}` has a mark for `{rule}`, which is not in R1 … R10.")
            found[rule].setdefault(relative, []).append(test)
    unproved = [rule for rule, tests in found.items() if not tests and rule not in UNPROVED]
    if unproved:
        raise SystemExit(f'No test has a mark for {", ".join(unproved)}: @pytest.mark.rule("R1").')
    return found


def table() -> str:
    """The marked tests as a Markdown table, one row for each rule and file."""
    rows = ["| Rule | Tests |", "|:-----|:------|"]
    for rule, files in marked_tests().items():
        for position, (file, tests) in enumerate(files.items()):
            link = Path(os.path.relpath(ROOT / file, DOCS)).as_posix()
            names = ", ".join(f"`{test}`" for test in tests)
            rows.append(
                f"| {f'**{rule}**' if position == 0 else ''} | [{file.as_posix()}]({link}): {names} |"
            )
    return "\n".join(rows)


def _marks(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Each rule with the name of the test that has its mark, or whose class or module has it."""
    everywhere = [rule for node in module.body for rule in _rules_of_assignment(node)]
    yield from _marks_in(module.body, everywhere, prefix="")
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            shared = [rule for decorator in node.decorator_list for rule in _rule(decorator)]
            yield from _marks_in(node.body, [*everywhere, *shared], prefix=f"{node.name}.")
        elif isinstance(node, ast.Assign):
            # A state machine of hypothesis: `TestConsent = rule("R1")(ConsentMachine.TestCase)`.
            for rule in [rule for inner in ast.walk(node.value) for rule in _rule(inner)]:
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                yield from ((rule, name) for name in names if name.startswith("Test"))


def _marks_in(body: list[ast.stmt], shared: list[str], prefix: str) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            own = [rule for decorator in node.decorator_list for rule in _rule(decorator)]
            yield from ((rule, prefix + node.name) for rule in dict.fromkeys([*shared, *own]))


def _rules_of_assignment(node: ast.stmt) -> list[str]:
    """The rules of a module's `pytestmark`."""
    if not isinstance(node, ast.Assign) or not any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    ):
        return []
    return [rule for inner in ast.walk(node.value) for rule in _rule(inner)]


def _rule(node: ast.AST) -> list[str]:
    """The rules of one mark: `pytest.mark.rule("R7")`."""
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != "pytest.mark.rule":
        return []
    return [str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)]
