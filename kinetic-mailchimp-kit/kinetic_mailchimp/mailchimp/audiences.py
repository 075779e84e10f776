"""Finds audiences of an account by what people write into settings: ids or names."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kinetic_mailchimp.kit.errors import ConfigurationError

Audience = Mapping[str, Any]


def name_key(name: str) -> str:
    """The form in which names are compared: case, outer blanks and HTML's entities do not count."""
    return html.unescape(name).strip().lower()


def listed(audiences: Iterable[Audience]) -> str:
    """Audiences for a message: names, and ids in parentheses."""
    return ", ".join(f"{found.get('name')} ({found['id']})" for found in audiences) or "none"


def find_audience(audiences: Sequence[Audience], named: str, setting: str = "list_id") -> Audience:
    """The audience of an id or a name.

    Args:
        audiences: All of the account.
        named: Its id or name.
        setting: The setting that names it, for a message.

    Raises:
        ConfigurationError: The account has none, or several of the name; those that exist are named.
    """
    by_id = [found for found in audiences if found["id"] == named]
    found = by_id or [found for found in audiences if name_key(str(found.get("name"))) == name_key(named)]
    if len(found) == 1:
        return found[0]
    what = "several audiences are named" if found else "the account has no audience"
    raise ConfigurationError(
        f"`{setting}`: {what} {named!r}.", advice=f"Use an id. The account has: {listed(audiences)}."
    )


def audience_ids(audiences: Sequence[Audience], ids: Sequence[str]) -> list[str]:
    """The audiences of `list_ids`, or all where it is empty. It takes ids alone: events name nothing else.

    Args:
        audiences: All of the account.
        ids: Those of the setting.

    Raises:
        ConfigurationError: One does not exist, or is a name; the message has its id.
    """
    for named in ids:
        found = find_audience(audiences, named, "list_ids")
        if found["id"] != named:
            raise ConfigurationError(
                f"`list_ids` takes ids of audiences, and {named!r} is a name.",
                advice=f"Write {found['id']} in its place.",
            )
    return list(ids) or [str(found["id"]) for found in audiences]
