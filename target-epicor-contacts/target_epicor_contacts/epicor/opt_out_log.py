"""Logs opt-outs in Kinetic itself: a memo on the row, a CRM call of its customer, each once per event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from target_epicor_contacts.epicor.entities import CONTACT, SYSTEM_ID, EpicorRow

ATTEMPTS = 3
ENTRIES_PER_QUERY = 20


@dataclass(frozen=True)
class OptOut:
    """An opt-out that was written to a row."""

    row: EpicorRow
    update: ContactUpdate

    @property
    def title(self) -> str:
        """One line."""
        status = self.update.status.value if self.update.status else ""
        return f"Mailchimp: {status}"

    @property
    def mark(self) -> str:
        """The line by which the entry of this event is found."""
        return f"Event: {self.update.event_time.event_id}"

    @property
    def text(self) -> str:
        """Address, time, reason and campaign."""
        update = self.update
        lines = [
            f"Address: {update.email}",
            f"When: {format_timestamp(update.event_time.at)}",
            f"Reason: {update.reason or 'not given'}",
            f"Campaign: {update.campaign_id or 'not given'}",
            self.mark,
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class Journal:
    """One kind of evidence.

    Attributes:
        service: Its business object.
        table: Its table.
        text_column: The column with the text of the event.
        about: The condition for entries about a row.
        arguments: The method's arguments for the row.
        content: The columns of the entry.
    """

    service: str
    table: str
    text_column: str
    about: Callable[[EpicorRow], str]
    arguments: Callable[[EpicorRow], Mapping[str, Any]]
    content: Callable[[OptOut], Mapping[str, Any]]

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


def crm_call(call_type: str | None) -> Journal:
    """CRM calls of a type; a contact's call is one of its customer and names the contact."""

    def content(entry: OptOut) -> Mapping[str, Any]:
        is_contact = entry.row.entity is CONTACT
        contact = {"CallConNum": entry.row.key["ConNum"]} if is_contact else {}
        return {
            "CallDesc": entry.title,
            "CallText": f"{entry.text}\nRow: {entry.row.id}",
            "CallTypeCode": call_type or "",
            "CallCustNum": entry.row.key["CustNum"],
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
    )


class EvidenceWriter:
    """Writes entries that are not there yet."""

    def __init__(self, client: EpicorClient, journals: Sequence[Journal]) -> None:
        self._client = client
        self._journals = journals
        self._portions = Portions(ENTRIES_PER_QUERY)

    def write(self, opt_outs: Sequence[OptOut]) -> dict[tuple[str, str], ConnectorError]:
        """Log opt-outs; returns the errors, by row and event."""
        failed: dict[tuple[str, str], ConnectorError] = {}
        for journal in self._journals:
            for company in dict.fromkeys(entry.row.company for entry in opt_outs):
                of_company = [entry for entry in opt_outs if entry.row.company == company]
                self._write_all(journal, company, of_company, failed)
        return failed

    def _write_all(
        self,
        journal: Journal,
        company: str,
        opt_outs: Sequence[OptOut],
        failed: dict[tuple[str, str], ConnectorError],
    ) -> None:
        try:
            missing = self._missing(journal, company, opt_outs)
        except ConnectorError as error:
            error = _of_the_entry(error)
            failed.update({(entry.row.id, entry.update.event_time.event_id): error for entry in opt_outs})
            return
        fatal: ConnectorError | None = None
        for entry in missing:
            try:
                if fatal is None:
                    self._write(journal, company, entry)
            except DataError as error:
                failed[entry.row.id, entry.update.event_time.event_id] = error
            except ConnectorError as error:
                fatal = _of_the_entry(error)
            if fatal is not None:
                failed[entry.row.id, entry.update.event_time.event_id] = fatal

    def _missing(self, journal: Journal, company: str, opt_outs: Sequence[OptOut]) -> list[OptOut]:
        def missing(entries: Sequence[OptOut]) -> list[OptOut]:
            conditions = [
                and_(
                    journal.about(entry.row),
                    f"contains({journal.text_column},{literal(entry.mark)})",
                )
                for entry in entries
            ]
            rows = self._client.read(company, journal.path, filter=or_(*conditions), top=100)
            return [entry for entry in entries if not any(_is_of(journal, row, entry) for row in rows)]

        return self._portions.collect(opt_outs, missing)

    def _write(self, journal: Journal, company: str, entry: OptOut) -> None:
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

    def _add(self, journal: Journal, company: str, entry: OptOut) -> None:
        prepared = self._client.call(
            company, journal.service, journal.new_method, {"ds": {}, **journal.arguments(entry.row)}
        ).document
        tables = (prepared.get("parameters") or {}).get("ds") or prepared.get("returnObj") or {}
        rows = tables.get(journal.table) or []
        if not rows:
            raise NotFoundError(
                f"{journal.new_method} prepared no row.",
                advice="Leave it out of `evidence`, or allow it in Epicor.",
            )
        row = {**rows[-1], **journal.content(entry), "RowMod": "A"}
        self._client.call(company, journal.service, "Update", {"ds": {journal.table: [row]}})


def _of_the_entry(error: ConnectorError) -> ConnectorError:
    """The failure as one of the entry: the flag is set, and no other opt-out waits for a memo."""
    if isinstance(error, DataError | CredentialsError):
        return error
    return DataError(
        error.message, advice=error.advice, status=error.status, code=error.code, request_id=error.request_id
    )


def _is_of(journal: Journal, row: Mapping[str, Any], entry: OptOut) -> bool:
    """True if an entry that was found is the one of this event and this row."""
    if entry.mark not in str(row.get(journal.text_column)).splitlines():
        return False
    if journal is MEMO:
        return str(row.get("RelatedToSysRowID")).lower() == str(entry.row.values[SYSTEM_ID]).lower()
    return f"Row: {entry.row.id}" in str(row.get(journal.text_column)).splitlines()
