"""Every error that a user can meet names the thing, the cause and the fix."""

from __future__ import annotations

import messages
import pytest

CLASSES = """
class ConnectorError(Exception): ...
class DataError(ConnectorError): ...
class InvalidError(DataError):
    def __init__(self, reason, message, *, field):
        super().__init__(message, advice=f"Check `{field}`.")
"""


def test_every_message_of_the_code_says_what_to_do():
    found = list(messages.messages(messages.sources()))

    assert len(found) > 200
    assert [fault for message in found for fault in message.faults()] == []


@pytest.mark.parametrize(
    ("raised", "missing"),
    [
        ('DataError("Setting `x` is missing.", advice="Set it in .env.")', []),
        ('InvalidError("code", "`x` is not a number.", field="x")', []),
        ('DataError(f"{request}: no connection.", advice=f"Check {url}.")', []),
        ('DataError("Setting `x` is missing.")', ["no advice"]),
        ('DataError("Setting `x` is missing.", advice="")', ["no advice"]),
        ('DataError("Setting `x` is missing.", advice="fix it")', ["is not a sentence"]),
        ('DataError("Failed.", advice="Try again.")', ["names no thing and cause"]),
        ('DataError("something went wrong", advice="Try again.")', ["names no thing and cause"]),
    ],
)
def test_what_a_message_lacks(raised, missing):
    (found,) = messages.messages({"errors.py": CLASSES, "module.py": f"def f():\n    raise {raised}\n"})

    faults = list(found.faults())

    assert len(faults) == len(missing)
    assert all(word in fault for word, fault in zip(missing, faults, strict=True))
