"""The hunt for secrets finds one in each form and place in which it may be."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from secret_hunt import Trace, hunt

SECRET = "a \"made-up\"/s&cret 'ä'"


def write(folder: Path, content: str) -> None:
    (folder / "file.log").write_text(f"..{content}..\n")


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (SECRET, "in clear"),
        (quote(f"user:{SECRET}", safe=""), "in a URL"),
        (json.dumps([SECRET]), "in JSON"),
        (json.dumps([SECRET], ensure_ascii=False), "in JSON as UTF-8"),
        (repr([SECRET]), "in Python's quotes"),
        (b64encode(f"abc:{SECRET}".encode()).decode(), "in base64 from byte 1"),
        (b64encode(f"a:{SECRET}".encode()).decode(), "in base64 from byte 2"),
        (b64encode(f"ab:{SECRET}".encode()).decode(), "in base64 from byte 0"),
    ],
)
def test_each_form_is_found(tmp_path, content, form):
    write(tmp_path, content)

    assert Trace("file.log", "planted", form) in hunt(tmp_path, {"planted": SECRET})


def test_what_is_not_there_is_not_found(tmp_path):
    write(tmp_path, SECRET[:-1])

    assert hunt(tmp_path, {"planted": SECRET}) == []


def test_the_name_of_a_file_counts(tmp_path):
    (tmp_path / quote(SECRET, safe="")).touch()

    assert [trace.form for trace in hunt(tmp_path, {"planted": SECRET})] == ["in a URL"]


def test_a_value_that_a_database_spreads_over_pages_is_found(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("CREATE TABLE t (c)")
        database.execute("INSERT INTO t VALUES (?)", (f"{'x' * 80}{SECRET}".ljust(600),))
        database.commit()
    assert SECRET.encode() not in (tmp_path / "a.sqlite3").read_bytes()

    assert hunt(tmp_path, {"planted": SECRET})


def test_a_value_that_is_in_the_log_of_a_database_alone_is_found(tmp_path):
    with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (c)")
        database.execute("INSERT INTO t VALUES (?)", (SECRET,))
        database.commit()
        database.execute("DELETE FROM t")
        database.commit()

        assert {trace.file for trace in hunt(tmp_path, {"planted": SECRET})} == {"a.sqlite3-wal"}
