"""No object that is made of settings shows a secret in its repr: a traceback or a log line would, too."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator

import kinetic_mailchimp
import pytest
import tap_epicor_kinetic
import tap_mailchimp_webhooks
import target_epicor_contacts
import target_mailchimp
from kinetic_mailchimp.kit.redaction.secret_names import named_as_secret

PACKAGES = (
    kinetic_mailchimp,
    tap_epicor_kinetic,
    tap_mailchimp_webhooks,
    target_epicor_contacts,
    target_mailchimp,
)
MARK = "made-up-value"
ALSO_SECRET = {"secret", "database_url", "inbox_database_url", "audit_database_url"}
"""Names that tell of a URL in general, and here of one that may hold a password."""


def dataclasses_of_the_project() -> Iterator[type]:
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "migrations" in found.name or found.name.endswith("__main__"):
                continue
            module = importlib.import_module(found.name)
            for value in vars(module).values():
                if dataclasses.is_dataclass(value) and getattr(value, "__module__", "") == found.name:
                    yield value  # type: ignore[misc] # a class, as the module defines it


def secret_fields(cls: type) -> set[str]:
    """Texts whose name, or whose declaration, says that they are secret: a number or a choice is none."""
    return {
        field.name
        for field in dataclasses.fields(cls)
        if re.search(r"\b(str|bytes)\b", str(field.type))
        if not re.search(r"\b(bool|int)\b", str(field.type))
        if named_as_secret(field.name)
        or field.name in ALSO_SECRET
        or getattr(field.metadata.get("setting"), "secret", False)
    }


CLASSES = sorted(
    {cls for cls in dataclasses_of_the_project() if secret_fields(cls)},
    key=lambda cls: (cls.__module__, cls.__name__),
)


@pytest.mark.rule("R9")
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_no_secret_in_a_repr(cls):
    shown = object.__new__(cls)
    secrets = secret_fields(cls)
    for field in dataclasses.fields(cls):
        object.__setattr__(shown, field.name, f"{MARK}-{field.name}" if field.name in secrets else None)

    assert MARK not in repr(shown)


def test_the_settings_of_all_packages_are_among_them():
    names = {cls.__name__ for cls in CLASSES}
    assert {"EpicorSettings", "MailchimpSettings", "PagesSettings", "InboxSettings"} <= names
