from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from simulators.epicor import rules
from simulators.epicor.app import build_world
from simulators.epicor.storage import Row
from simulators.epicor.world import Kinetic

KEY = ("Company", "CustNum", "ShipToNum", "ConNum")
COLUMNS = st.fixed_dictionaries(
    {},
    optional={
        "Comment": st.text(max_size=20),
        "NoContact": st.booleans(),
        "ContactTitle": st.text(max_size=5),
        "MC_Status_c": st.sampled_from(["", "subscribed", "unsubscribed"]),
    },
)
"""Columns that no rule carries on to other rows."""


class Contacts(RuleBasedStateMachine):
    """Contacts are written in any order by anybody; the table must be what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.world: Kinetic = build_world(12, 5, "updated-on")
        self.table = self.world.table("CustCnt")
        self.expected = {self.key_of(row): row for row in self.stored()}
        self.revisions: list[int] = []

    def stored(self) -> list[Row]:
        return self.world.store.select(self.table)

    @staticmethod
    def key_of(row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in KEY)

    def some_key(self, number: int) -> dict[str, Any]:
        keys = sorted(self.expected)
        return dict(zip(KEY, keys[number % len(keys)], strict=True))

    def wrote(self, row: Row) -> None:
        assert row["SysRevID"] == self.world.store.revision
        self.revisions.append(row["SysRevID"])

    @rule(customer=st.integers(1, 10), columns=COLUMNS)
    def create(self, customer: int, columns: Row) -> None:
        row = rules.create(
            self.world, "EPIC06", self.table, {"CustNum": customer, "ShipToNum": "", "Name": "New", **columns}
        )
        assert self.key_of(row) not in self.expected
        self.expected[self.key_of(row)] = row
        self.wrote(row)

    @precondition(lambda self: self.expected)
    @rule(number=st.integers(0, 1000), columns=COLUMNS)
    def patch(self, number: int, columns: Row) -> None:
        self.commit()
        key = self.some_key(number)
        row = rules.update(self.world, self.table, key, columns)
        assert {name: row[name] for name in columns} == columns
        self.expected[self.key_of(row)].update(columns)
        self.wrote(row)

    @precondition(lambda self: self.expected)
    @rule(number=st.integers(0, 1000), comment=st.text(max_size=5))
    def hold(self, number: int, comment: str) -> None:
        self.commit()
        row = self.world.store.get(self.table, self.some_key(number))
        assert row is not None
        changes = rules.prepared_updates(self.world, self.table, row, {"Comment": comment})
        self.world.held.extend(changes)

    @rule()
    def commit(self) -> None:
        for change in self.world.held:
            self.expected[self.key_of(change.row)].update(Comment=change.row["Comment"])
        rules.commit_held(self.world)

    @precondition(lambda self: self.expected)
    @rule(number=st.integers(0, 1000))
    def delete(self, number: int) -> None:
        self.commit()
        key = self.some_key(number)
        rules.delete(self.world, self.table, key)
        del self.expected[tuple(key.values())]

    @invariant()
    def the_table_is_what_was_written(self) -> None:
        changing = {"SysRevID", "UD_SysRevID", "UpdatedOn"}

        def steady(row: Row) -> Row:
            return {name: value for name, value in row.items() if name not in changing}

        assert {self.key_of(row): steady(row) for row in self.stored()} == {
            key: steady(row) for key, row in self.expected.items()
        }

    @invariant()
    def revisions_rise_and_are_of_one_row_each(self) -> None:
        tables = (
            self.world.store.select(table, columns=["SysRevID"]) for table in self.world.tables.values()
        )
        revisions = [row["SysRevID"] for rows in tables for row in rows]
        assert len(set(revisions)) == len(revisions)
        assert max(revisions) <= self.world.store.revision
        assert self.revisions == sorted(set(self.revisions))

    def teardown(self) -> None:
        self.world.store.close()


Contacts.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestContacts = Contacts.TestCase
