"""Writes entries into Kinetic's own journals, each once: memos on a row, CRM calls of its customer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.epicor.odata import Raw, and_, eq, literal, or_
from kinetic_mailchimp.kit.errors import (
    AmbiguousWriteError,
    ConnectorError,
    CredentialsError,
    DataError,
    NotFoundError,
    TransientError,
)
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp

from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.calls import Portions
from target_epicor_contacts.epicor.entities import CONTACT, CUSTOMER, SYSTEM_ID, EpicorRow

ATTEMPTS = 3
ENTRIES_PER_QUERY = 20


@dataclass(frozen=True)
class Entry:
    """An entry about a row.

    Attributes:
        event_id: Of the record that it comes from.
        title: One line.
        lines: Its text.
        mark: The line by which it is found again: the same for a record that comes twice.
    """

    row: EpicorRow
    event_id: str
    title: str
    lines: Sequence[str]
    mark: str

    @property
    def text(self) -> str:
        """All lines; what others wrote makes no line of its own, which might pass for a mark."""
        return "\n".join([*(" ".join(line.split()) for line in self.lines), self.mark])


def opt_out_entry(row: EpicorRow, update: ContactUpdate) -> Entry:
    """The entry of an opt-out that was written to a row: address, time, reason and campaign.

    Args:
        row: The row.
        update: The opt-out.
    """
    lines = [
        f"Address: {update.email}",
        f"When: {format_timestamp(update.event_time.at)}",
        f"Reason: {update.reason or 'not given'}",
        f"Campaign: {update.campaign_id or 'not given'}",
    ]
    event_id, status = update.event_time.event_id, update.status.value if update.status else ""
    return Entry(row, event_id, f"Mailchimp: {status}", lines, f"Event: {event_id}")


@dataclass(frozen=True)
class Journal:
    """One kind of entries.

    Attributes:
        service: Its business object.
        about: The condition for entries about a row.
        arguments: The method's arguments for the row.
        content: The columns of the entry.
        names_rep: Whether an entry belongs to the sales rep of the customer.
    """

    service: str
    table: str
    text_column: str
    about: Callable[[EpicorRow], str]
    arguments: Callable[[EpicorRow], Mapping[str, Any]]
    content: Callable[[Entry], Mapping[str, Any]]
    names_rep: bool = False

    @property
    def path(self) -> str:
        """The path of its entity set."""
        return f"{self.service}/{self.table}s"

    @property
    def new_method(self) -> str:
        """The method that prepares a new entry."""
        return f"GetNew{self.table}"


MEMO = Journal(
    "Ice.BO.MemoSvc",
    "Memo",
    "MemoText",
    about=lambda row: eq("RelatedToSysRowID", Raw(row.values[SYSTEM_ID])),
    arguments=lambda row: {
        "relatedToSchemaName": "Erp",
        "relatedToFile": row.entity.name,
        "relatedToSysRowID": row.values[SYSTEM_ID],
    },
    content=lambda entry: {"MemoDesc": entry.title, "MemoText": entry.text},
)


def crm_call(call_type: str | None, *, names_rep: bool = False) -> Journal:
    """CRM calls of a type; a contact's call is one of its customer and names the contact.

    Args:
        call_type: Its CallTypeCode.
        names_rep: Whether it belongs to the sales rep of the customer.
    """

    def content(entry: Entry) -> Mapping[str, Any]:
        key = entry.row.key
        is_contact = entry.row.entity is CONTACT
        contact = {"CallShipToNum": key["ShipToNum"], "CallConNum": key["ConNum"]} if is_contact else {}
        return {
            "CallDesc": entry.title,
            "CallText": f"{entry.text}\nRow: {entry.row.id}",
            "CallTypeCode": call_type or "",
            "CallCustNum": key["CustNum"],
            **contact,
        }

    return Journal(
        "Erp.BO.CRMCallSvc",
        "CRMCall",
        "CallText",
        about=lambda row: and_(
            eq("RelatedToFile", "Customer"),
            eq("Key1", str(row.key["CustNum"])),
            f"contains(CallText,{literal(f'Row: {row.id}')})",
        ),
        arguments=lambda row: {
            "relatedToFile": "Customer",
            "key1": str(row.key["CustNum"]),
            "key2": "",
            "key3": "",
        },
        content=content,
        names_rep=names_rep,
    )


@dataclass
class Written:
    """Result of the writing of entries.

    Attributes:
        added: Those that were not there yet.
        failed: The errors, by row and event.
    """

    added: list[Entry] = field(default_factory=list)
    failed: dict[tuple[str, str], ConnectorError] = field(default_factory=dict)

    def fail(self, entries: Iterable[Entry], error: ConnectorError) -> None:
        """Note the error of some entries."""
        self.failed.update({(entry.row.id, entry.event_id): error for entry in entries})


class JournalWriter:
    """Writes entries that are not there yet."""

    def __init__(self, client: EpicorClient, journals: Sequence[Journal]) -> None:
        self._client = client
        self._journals = journals
        self._portions = Portions(ENTRIES_PER_QUERY)
        self._reps: dict[tuple[str, int], str] = {}

    def write(self, entries: Sequence[Entry], *, is_dry: bool = False) -> Written:
        """Write entries.

        Args:
            entries: Of any rows.
            is_dry: Only look which are not there yet.
        """
        written = Written()
        # A record that comes twice asks for one.
        entries = list({(entry.row.id, entry.mark): entry for entry in entries}.values())
        for journal in self._journals:
            for company in dict.fromkeys(entry.row.company for entry in entries):
                of_company = [entry for entry in entries if entry.row.company == company]
                self._write_all(journal, company, of_company, written, is_dry=is_dry)
        return written

    def _write_all(
        self, journal: Journal, company: str, entries: Sequence[Entry], written: Written, *, is_dry: bool
    ) -> None:
        try:
            missing = self._missing(journal, company, entries)
            if journal.names_rep and not is_dry:
                self._find_reps(company, {entry.row.key["CustNum"] for entry in missing})
        except ConnectorError as error:
            written.fail(entries, _of_the_entry(error))
            return
        for number, entry in enumerate(missing):
            try:
                if not is_dry:
                    self._write(journal, company, entry)
            except DataError as error:
                written.fail([entry], error)
            except ConnectorError as error:
                written.fail(missing[number:], _of_the_entry(error))
                return
            else:
                written.added.append(entry)

    def _missing(self, journal: Journal, company: str, entries: Sequence[Entry]) -> list[Entry]:
        def missing(entries: Sequence[Entry]) -> list[Entry]:
            conditions = [
                and_(
                    journal.about(entry.row),
                    f"contains({journal.text_column},{literal(entry.mark)})",
                )
                for entry in entries
            ]
            rows = self._client.read(company, journal.path, filter=or_(*conditions), top=100)
            return [entry for entry in entries if not any(_is_of(journal, row, entry) for row in rows)]

        return self._portions.collect(entries, missing)

    def _find_reps(self, company: str, numbers: Collection[int]) -> None:
        """Learn the sales reps of customers, by their numbers."""

        def reps(numbers: Sequence[int]) -> Sequence[Mapping[str, Any]]:
            return self._client.read(
                company,
                CUSTOMER.path,
                filter=or_(*(eq("CustNum", number) for number in numbers)),
                select=(*CUSTOMER.key, "SalesRepCode"),
                top=ENTRIES_PER_QUERY,
            )

        unknown = sorted(number for number in numbers if (company, number) not in self._reps)
        for row in self._portions.collect(unknown, reps):
            self._reps[company, int(row["CustNum"])] = str(row.get("SalesRepCode") or "")

    def _write(self, journal: Journal, company: str, entry: Entry) -> None:
        for _ in range(ATTEMPTS):
            try:
                self._add(journal, company, entry)
            except AmbiguousWriteError:
                if not self._missing(journal, company, [entry]):
                    return
            else:
                return
        raise TransientError(
            f"It could not be found out whether the {journal.table} was written.",
            advice="Look for it in Epicor; `sync-audit replay` sends the event again.",
        )

    def _add(self, journal: Journal, company: str, entry: Entry) -> None:
        prepared = self._client.call(
            company, journal.service, journal.new_method, {"ds": {}, **journal.arguments(entry.row)}
        ).document
        tables = (prepared.get("parameters") or {}).get("ds") or prepared.get("returnObj") or {}
        rows = tables.get(journal.table) or []
        if not rows:
            raise NotFoundError(
                f"{journal.new_method} prepared no row.",
                advice="Leave it out of `evidence` and `result_calls`, or allow it in Epicor.",
            )
        rep = self._reps.get((company, entry.row.key["CustNum"])) if journal.names_rep else None
        owner = {"SalesRepCode": rep} if rep else {}
        row = {**rows[-1], **journal.content(entry), **owner, "RowMod": "A"}
        self._client.call(company, journal.service, "Update", {"ds": {journal.table: [row]}})


def _of_the_entry(error: ConnectorError) -> ConnectorError:
    """The failure as one of the entry: the flag is set, and no other opt-out waits for a memo."""
    return error if isinstance(error, DataError | CredentialsError) else error.of_one_record(error.advice)


def _is_of(journal: Journal, row: Mapping[str, Any], entry: Entry) -> bool:
    """True if an entry that was found is the one of this event and this row."""
    if entry.mark not in str(row.get(journal.text_column)).splitlines():
        return False
    if journal is MEMO:
        return str(row.get("RelatedToSysRowID")).lower() == str(entry.row.values[SYSTEM_ID]).lower()
    return f"Row: {entry.row.id}" in str(row.get(journal.text_column)).splitlines()
