"""Rows that are gone: found by comparing keys, reported until a state says that they are known."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import ConfigurationError
from tap_epicor_kinetic.reading.deletions import KeyStore
from tap_epicor_kinetic.settings import ReadSettings

NOW = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)


def gone(result: Any) -> list[int]:
    return [row["CustNum"] for row in result.records() if row.get("_sdc_deleted_at")]


def delete(epicor: Any, number: int) -> None:
    epicor.control.delete("Customer", {"Company": "EPIC06", "CustNum": number})


def test_a_deleted_row_is_reported_once(start_epicor: Any, runner: Any, tmp_path: Path) -> None:
    epicor = start_epicor(customers=40)
    tap = runner(epicor)
    how = {"report_deletions": ["customers"], "key_store": str(tmp_path / "keys" / "known.db")}
    first = tap.run("customers", **how)
    assert gone(first) == []
    number = first.records()[0]["CustNum"]
    delete(epicor, number)
    second = tap.run("customers", state=first.state, **how)
    assert gone(second) == [number]
    record = next(row for row in second.records() if row.get("_sdc_deleted_at"))
    assert set(record) == {"Company", "CustNum", "_sdc_deleted_at"}
    assert "_sdc_deleted_at" in second.schema("customers")["schema"]["properties"]
    assert gone(tap.run("customers", state=second.state, **how)) == []


def test_a_deletion_is_reported_again_when_its_state_was_lost(
    start_epicor: Any, runner: Any, tmp_path: Path
) -> None:
    epicor = start_epicor(customers=40)
    tap = runner(epicor)
    how = {"report_deletions": ["customers"], "key_store": str(tmp_path / "known.db")}
    first = tap.run("customers", **how)
    number = first.records()[0]["CustNum"]
    delete(epicor, number)
    assert gone(tap.run("customers", state=first.state, **how)) == [number]
    assert gone(tap.run("customers", state=first.state, **how)) == [number]


def test_a_customer_that_became_inactive_is_not_gone(start_epicor: Any, runner: Any, tmp_path: Path) -> None:
    epicor = start_epicor(customers=40)
    tap = runner(epicor)
    how = {"report_deletions": ["customers"], "key_store": str(tmp_path / "known.db")}
    first = tap.run("customers", **how)
    key = {"Company": "EPIC06", "CustNum": first.records()[0]["CustNum"]}
    epicor.control.edit("Customer", key, Inactive=True)
    assert gone(tap.run("customers", state=first.state, **how)) == []


def test_a_read_without_any_row_is_not_believed(tmp_path: Path) -> None:
    store = KeyStore(str(tmp_path / "known.db"))
    assert store.remember("customers", "EPIC06", [("EPIC06", 1), ("EPIC06", 2)], NOW) == 0
    assert store.remember("customers", "EPIC06", [], NOW) == 0
    assert store.remember("customers", "EPIC07", [("EPIC07", 9)], NOW) == 0
    assert store.remember("customers", "EPIC06", [("EPIC06", 2)], NOW) == 1
    assert [deletion.key for deletion in store.deletions("customers", "EPIC06", 0)] == [("EPIC06", 1)]
    assert store.deletions("customers", "EPIC07", 0) == []
    store.close()


def test_a_key_that_came_back_is_not_reported_as_gone(tmp_path: Path) -> None:
    store = KeyStore(str(tmp_path / "known.db"))
    for present in ([("a",), ("b",), ("c",)], [("b",)], [("a",), ("b",)]):
        store.remember("parts", "EPIC06", present, NOW)
    assert [deletion.key for deletion in store.deletions("parts", "EPIC06", 0)] == [("c",)]
    store.remember("parts", "EPIC06", [("b",)], NOW)
    again = store.deletions("parts", "EPIC06", 0)
    assert [deletion.key for deletion in again] == [("c",), ("a",)]
    assert again[1].number > again[0].number
    store.close()


def test_offset_paging_cannot_detect_deletions(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="`pagination` to `keyset`"):
        ReadSettings.from_config(
            {"report_deletions": ["parts"], "key_store": str(tmp_path / "known.db"), "pagination": "offset"}
        )


def test_a_read_that_fails_changes_nothing(tmp_path: Path) -> None:
    store = KeyStore(str(tmp_path / "known.db"))
    store.remember("parts", "EPIC06", [("a",), ("b",)], NOW)

    def failing() -> Any:
        yield ("a",)
        raise RuntimeError("the server went away")

    with pytest.raises(RuntimeError):
        store.remember("parts", "EPIC06", failing(), NOW)
    assert store.deletions("parts", "EPIC06", 0) == []
    assert store.remember("parts", "EPIC06", [("b",)], NOW) == 1
    store.close()


@pytest.mark.rule("R9")
def test_the_file_of_keys_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = KeyStore(str(tmp_path / "known.db"))
        store.remember("people", "EPIC06", [("ann@example.com",)], NOW)
        assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
        store.close()
    finally:
        os.umask(before)


def test_a_file_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="`key_store`"):
        KeyStore(str(tmp_path))
