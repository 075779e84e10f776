"""The business rules that a write meets, whichever way it comes in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from simulators.epicor import timestamps
from simulators.epicor.errors import EpicorError, business_error
from simulators.epicor.schema import Table
from simulators.epicor.storage import BAD_INPUT, Row, checked
from simulators.epicor.store import Change, Sql, equal
from simulators.epicor.world import SERVER_ZONE, Kinetic

SYSTEM_COLUMNS = frozenset({"SysRevID", "SysRowID", "RowMod", "UD_SysRevID", "UpdatedOn"})
CALL_TYPES = ("EMAIL", "PHONE", "MKTG")

_ASSIGNED: Mapping[str, str] = {
    "Customer": "CustNum",
    "CustCnt": "ConNum",
    "PerCon": "PerConID",
    "Vendor": "VendorNum",
    "VendCnt": "ConNum",
    "POHeader": "PONum",
    "PODetail": "POLine",
    "PORel": "PORelNum",
    "OrderHed": "OrderNum",
    "OrderDtl": "OrderLine",
    "InvcHead": "InvoiceNum",
    "InvcDtl": "InvoiceLine",
    "CRMCall": "CallSeqNum",
    "Memo": "MemoNum",
}
"""The key column that the server numbers, one above the largest beside it. ShipTo has none."""

_REQUIRED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Customer": (("CustID", "Customer ID is required."), ("Name", "Name is required.")),
    "CustCnt": (("Name", "Name is required."),),
    "ShipTo": (("ShipToNum", "Ship To is required."), ("Name", "Name is required.")),
    "PerCon": (("Name", "Name is required."),),
    "Vendor": (("VendorID", "Vendor ID is required."), ("Name", "Name is required.")),
    "Part": (("PartNum", "Part Number is required."),),
    "CRMCall": (("CallDesc", "Description is required."),),
    "Memo": (("MemoDesc", "Description is required."),),
}

_SYNCED: Mapping[str, tuple[str, ...]] = {
    "SyncNameToPerCon": ("Name", "FirstName", "MiddleName", "LastName"),
    "SyncPhoneToPerCon": ("PhoneNum", "CellPhoneNum"),
    "SyncEmailToPerCon": ("EMailAddress",),
    "SyncAddressToPerCon": (
        "Address1",
        "Address2",
        "Address3",
        "City",
        "State",
        "Zip",
        "Country",
        "CountryNum",
    ),
}
"""What a contact shares with its person, by the flag that says so. NoContact is not among it."""

_MISSING: Mapping[str, str] = {"Customer": "Customer", "CustCnt": "Contact", "ShipTo": "Ship To"}


def create(world: Kinetic, company: str, table: Table, given: Row) -> Row:
    """Add a row as `POST` and `RowMod: "A"` do.

    Raises:
        EpicorError: 400 with the rule that refuses it, 409 for a key that is there.
    """
    _refused_by_bpm(world, table)
    values = {name: value for name, value in given.items() if name not in SYSTEM_COLUMNS}
    checked(table, values)
    values = _fitting(world, table, values)
    values["Company"] = company
    for name, message in _REQUIRED.get(table.name, ()):
        if not values.get(name):
            raise business_error(message, table.name, name)
    if table.name in ("CustCnt", "ShipTo"):
        _needs_customer(world, values)
    if table.name == "CRMCall" and values.get("CallTypeCode", "") not in ("", *CALL_TYPES):
        raise business_error("Call Type is invalid.", table.name, "CallTypeCode")
    if table.name == "CustCnt":
        values = {**dict.fromkeys(("SyncLinksToPerCon", *_SYNCED), True), **values}
    _number(world, table, values)
    change = world.store.prepare_insert(table, values)
    world.store.commit(change)
    return stored_row(world, table, change)


def stored_row(world: Kinetic, table: Table, change: Change) -> Row:
    """The row as a read would give it, defaults included."""
    row = world.store.get(table, change.row)
    return change.row if row is None else row


def _needs_customer(world: Kinetic, values: Row) -> None:
    key = {"Company": values["Company"], "CustNum": values.get("CustNum", 0)}
    if world.store.get(world.table("Customer"), key) is None:
        raise business_error("Customer not available", "Customer", "CustNum")


def _number(world: Kinetic, table: Table, values: Row) -> None:
    for name in table.key:
        if name == _ASSIGNED.get(table.name):
            if not values.get(name):
                beside = {other: values[other] for other in table.key if other != name}
                beside.setdefault("Company", values["Company"])
                values[name] = world.store.largest(table, name, equal(beside)) + 1
        else:
            values.setdefault(name, 0 if table.by_name[name].edm_type == "Edm.Int32" else "")


def update(world: Kinetic, table: Table, key: Mapping[str, Any], given: Row, *, by_api: bool = True) -> Row:
    """Merge columns into a row as `PATCH` and `RowMod: "U"` do; the last write wins.

    Args:
        world: The simulated Kinetic.
        table: Of the row.
        key: The whole key.
        given: Columns to set; key columns in it are tolerated.
        by_api: Whether the switches that trouble API writes apply.

    Raises:
        EpicorError: 400 for a missing row, a wrong value or a rule that refuses.
    """
    row = world.store.get(table, key)
    if row is None:
        raise _not_available(table)
    row = _after_held(world, table, row)
    changes = {
        name: value for name, value in given.items() if name not in SYSTEM_COLUMNS and name not in table.key
    }
    checked(table, changes)
    if by_api:
        _refused_by_bpm(world, table)
        _refused_when_locked(world, table, row)
        changes = _kept(world, table, row, _fitting(world, table, changes))
    for name, message in _REQUIRED.get(table.name, ()):
        if name in changes and not changes[name]:
            raise business_error(message, table.name, name)
    with world.store.transaction():
        for change in prepared_updates(world, table, row, changes):
            world.store.commit(change)
    return world.store.get(table, key) or row


def _not_available(table: Table) -> EpicorError:
    return business_error(f"{_MISSING.get(table.name, table.name)} not available", table.name, table.key[-1])


def _after_held(world: Kinetic, table: Table, row: Row) -> Row:
    """The row once a write of it that is held has been committed: a second writer waits for the first."""
    if any(change.row["SysRowID"] == row["SysRowID"] for change in world.held):
        commit_held(world)
        return world.store.get(table, row) or row
    return row


def commit_held(world: Kinetic) -> int:
    """Commit what is held, in the order of its revisions; gives the number of writes."""
    held, world.held = world.held, []
    for change in held:
        world.store.commit(change)
    return len(held)


def prepared_updates(world: Kinetic, table: Table, row: Row, changes: Row) -> Iterator[Change]:
    """The write itself, then those that follow from it."""
    switches = world.switches
    only_custom = bool(changes) and all(table.by_name[name].is_custom for name in changes)
    stamps = (
        ("ChangeDate", "ChangeTime")
        if switches.maintain_contact_change_date and table.name == "CustCnt"
        else ()
    )
    revise = switches.custom_only_bumps_revision or not only_custom
    yield world.store.prepare_update(table, row, changes, revise=revise, stamps=stamps)
    follow = _FOLLOWING.get(table.name)
    if follow is not None:
        yield from follow(world, {**row, **changes}, changes)


def _contact_changed(world: Kinetic, row: Row, changes: Row) -> Iterator[Change]:
    """A contact hands what it shares to its person, and the person to the other contacts."""
    if not row["PerConID"]:
        return
    flags = [flag for flag, names in _SYNCED.items() if row[flag] and changes.keys() & set(names)]
    shared = {name: changes[name] for flag in flags for name in _SYNCED[flag] if name in changes}
    per_con = world.table("PerCon")
    person = world.store.get(per_con, {"Company": row["Company"], "PerConID": row["PerConID"]})
    if not shared or person is None:
        return
    yield world.store.prepare_update(per_con, person, shared)
    yield from _person_changed(world, person, shared, but=row["SysRowID"])


def _person_changed(world: Kinetic, row: Row, changes: Row, but: str = "") -> Iterator[Change]:
    contact = world.table("CustCnt")
    where = equal({"Company": row["Company"], "PerConID": row["PerConID"]}) & Sql('"SysRowID" <> ?', (but,))
    for other in world.store.select(contact, where):
        shared = {
            name: changes[name]
            for flag, names in _SYNCED.items()
            for name in names
            if other[flag] and name in changes
        }
        if shared:
            yield world.store.prepare_update(contact, other, shared)


def _line_changed(world: Kinetic, row: Row, changes: Row) -> Iterator[Change]:
    del changes
    if not world.switches.line_bumps_header:
        return
    header = world.table("POHeader")
    number = row.get("PONum", row.get("PONUM"))
    found = world.store.get(header, {"Company": row["Company"], "PONum": number})
    if found is not None:
        yield world.store.prepare_update(header, found, {})


_FOLLOWING: Mapping[str, Callable[[Kinetic, Row, Row], Iterator[Change]]] = {
    "CustCnt": _contact_changed,
    "PerCon": _person_changed,
    "PODetail": _line_changed,
    "PORel": _line_changed,
}


def delete(world: Kinetic, table: Table, key: Mapping[str, Any]) -> None:
    """Remove a row and what hangs on it.

    Raises:
        EpicorError: 400 when there is none.
    """
    row = world.store.get(table, key)
    if row is None:
        raise _not_available(table)
    for child in table.children:
        child_table = world.table(child.table)
        where = equal({mine: row[theirs] for mine, theirs in child.columns.items()})
        for child_row in world.store.select(child_table, where):
            delete(world, child_table, child_row)
    world.store.commit(world.store.prepare_delete(table, row))


def _refused_by_bpm(world: Kinetic, table: Table) -> None:
    message = world.switches.business_errors.get(table.name)
    if message is not None:
        raise business_error(message, table.name, status=world.switches.business_error_status)


def _refused_when_locked(world: Kinetic, table: Table, row: Row) -> None:
    if not world.switches.locked_rejects:
        return
    if table.name == "CustCnt" and row["GlobalLock"]:
        raise business_error("Contact is globally locked and cannot be changed.", table.name)
    if table.name == "Customer" and row["Inactive"]:
        raise business_error("Customer is inactive and cannot be changed.", table.name)


def _fitting(world: Kinetic, table: Table, changes: Row) -> Row:
    """The changes in the form that their columns take, or a refusal."""
    switches = world.switches
    fitting = dict(changes)
    for name, value in changes.items():
        if switches.bare_date_refused and name in table.timestamps and value and "T" not in value:
            raise EpicorError(400, BAD_INPUT)
        if value and f"{table.name}.{name}" in switches.day_columns:
            fitting[name] = timestamps.local_midnight(timestamps.parse(value), SERVER_ZONE)[0]
        length = switches.column_lengths.get(f"{table.name}.{name}")
        if length is None or not isinstance(value, str) or len(value) <= length:
            continue
        if switches.over_long == "refused":
            raise business_error(f"{name} is too long: at most {length} characters.", table.name, name)
        fitting[name] = value[:length]
    return fitting


def _kept(world: Kinetic, table: Table, row: Row, changes: Row) -> Row:
    """The changes without those that are accepted and not stored."""
    dropped = {name for name in changes if f"{table.name}.{name}" in world.switches.silent_discard}
    cleared = "EMailAddress" in changes and not changes["EMailAddress"] and row.get("EMailAddress")
    if world.switches.keep_cleared_email and cleared:
        dropped.add("EMailAddress")
    return {name: value for name, value in changes.items() if name not in dropped}
