"""Query parameters: pages, field selection, times and numbers, with the vendor's complaints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any, TypeVar

from simulators.mailchimp import problems
from simulators.mailchimp.problems import FieldError
from simulators.mailchimp.validation import parse_time

DEFAULT_COUNT, MOST = 10, 1000
PAGING = ("count", "offset")
FIELDS = ("fields", "exclude_fields")

Item = TypeVar("Item")
Parameters = Mapping[str, str]


def number(parameters: Parameters, name: str, default: int, most: int | None = None) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not text.isdigit():
        raise problems.not_valid([FieldError(name, "Schema describes integer, string found instead")])
    value = int(text)
    if most is not None and value > most:
        raise problems.not_valid([FieldError(name, f"This value should be {most} or less.")])
    return value


def flag(parameters: Parameters, name: str) -> bool:
    text = parameters.get(name, "false").lower()
    if text not in {"true", "false", "1", "0"}:
        raise problems.not_valid([FieldError(name, "Schema describes boolean, string found instead")])
    return text in {"true", "1"}


def timestamp(parameters: Parameters, name: str, *, offset_ignored: bool) -> float | None:
    """A time in seconds since the epoch.

    Args:
        parameters: The query.
        name: The parameter.
        offset_ignored: Whether the zone is ignored and the time taken for UTC, as the vendor was seen to do.
    """
    text = parameters.get(name)
    if text is None:
        return None
    try:
        parsed = parse_time(text)
    except ValueError:
        raise problems.not_valid([FieldError(name, "This value is not a valid datetime.")]) from None
    if offset_ignored:
        parsed = parsed.replace(tzinfo=UTC)
    return parsed.timestamp()


def page(items: Sequence[Item], parameters: Parameters) -> Sequence[Item]:
    offset = number(parameters, "offset", 0)
    return items[offset : offset + number(parameters, "count", DEFAULT_COUNT, MOST)]


def select(document: dict[str, Any], parameters: Parameters) -> dict[str, Any]:
    """Cut an answer to `fields`, or without `exclude_fields`; both at once are refused."""
    wanted, unwanted = parameters.get("fields"), parameters.get("exclude_fields")
    if wanted and unwanted:
        raise problems.invalid_resource("The fields and exclude_fields parameters cannot be used together.")
    if wanted:
        chosen: dict[str, Any] = _keep(document, _tree(wanted.split(",")), "")
        return chosen
    if unwanted:
        remaining: dict[str, Any] = _drop(document, _tree(unwanted.split(",")))
        return remaining
    return document


Tree = dict[str, Any]


def _tree(paths: Iterable[str]) -> Tree:
    tree: Tree = {}
    for path in paths:
        branch = tree
        for part in path.strip().split("."):
            branch = branch.setdefault(part, {})
    return tree


def _keep(value: Any, tree: Tree, where: str) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_keep(item, tree, where) for item in value]
    if not isinstance(value, dict):
        raise problems.invalid_resource(f"Invalid field specified: {where}")
    return {
        name: _keep(value[name], branch, f"{where}{name}.")
        for name, branch in tree.items()
        if name in value or _refuse(f"{where}{name}")
    }


def _drop(value: Any, tree: Tree) -> Any:
    if isinstance(value, list):
        return [_drop(item, tree) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _drop(inner, tree[name]) if tree.get(name) else inner
        for name, inner in value.items()
        if name not in tree or tree[name]
    }


# Parts of a member that are there only in some states or lists.
_SOMETIMES = frozenset(
    {"unsubscribe_reason", "interests", "marketing_permissions", "last_note", "id", "email_address"}
)


def _refuse(path: str) -> bool:
    if path.rpartition(".")[2] in _SOMETIMES:
        return False
    raise problems.invalid_resource(f"Invalid field specified: {path}")
