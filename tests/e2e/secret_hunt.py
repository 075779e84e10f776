"""Looks for secrets in all files below a folder, in each form in which a secret travels."""

from __future__ import annotations

import json
import os
import sqlite3
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, order=True)
class Trace:
    """A secret that was found.

    Attributes:
        file: Where, below the folder.
        secret: What the secret is called.
        form: In which form it stands there.
    """

    file: str
    secret: str
    form: str


def forms(secret: str) -> dict[str, bytes]:
    """How a secret may stand in a text: form → bytes."""
    found = {
        "in clear": secret,
        "in a URL": quote(secret, safe=""),
        "in a query": quote_plus(secret),
        "in JSON": json.dumps(secret)[1:-1],
        "in JSON as UTF-8": json.dumps(secret, ensure_ascii=False)[1:-1],
        "in Python's quotes": repr(secret)[1:-1],
        "in SQL": secret.replace("'", "''"),
    }
    # What a login looks like in a header: of the user's name before it, only the length counts.
    in_base64 = {f"in base64 from byte {shift}": text for shift, text in enumerate(_in_base64(secret))}
    distinct: dict[str, str] = {}
    for form, text in (found | in_base64).items():
        distinct.setdefault(text, form)
    return {form: text.encode() for text, form in distinct.items()}


def _in_base64(secret: str) -> Iterator[str]:
    """The characters that follow from the secret alone, for each place in a group of three bytes."""
    for shift in range(3):
        before, until = 8 * shift, 8 * (shift + len(secret.encode()))
        encoded = b64encode(bytes(shift) + secret.encode()).decode()
        yield encoded[-(-before // 6) : until // 6]


def hunt(folder: Path, secrets: Mapping[str, str]) -> list[Trace]:
    """Every secret that stands in a file, in a file's name, or in a value of an SQLite database.

    Args:
        folder: With all that is below it; links to other folders are not followed.
        secrets: What each is called → the secret.
    """
    wanted = [(name, form, text) for name, secret in secrets.items() for form, text in forms(secret).items()]
    texts = list(_texts(folder))
    # What is in the files is read before any database is opened: the last one to close it changes them.
    texts += [dumped for path in _files(folder) for dumped in _dump(folder, path)]
    return sorted(
        {
            Trace(where, name, form)
            for where, content in texts
            for name, form, text in wanted
            if text in content or text in where.encode()
        }
    )


def _files(folder: Path) -> list[Path]:
    return [Path(place) / name for place, _, names in os.walk(folder) for name in names]


def _texts(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in _files(folder):
        yield str(path.relative_to(folder)), path.read_bytes()


def _dump(folder: Path, path: Path) -> Iterator[tuple[str, bytes]]:
    """A database row by row: in its file, a long value is spread over pages."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            return
    with closing(sqlite3.connect(path)) as database:
        dumped = "\n".join(database.iterdump())
    yield str(path.relative_to(folder)), dumped.encode()
