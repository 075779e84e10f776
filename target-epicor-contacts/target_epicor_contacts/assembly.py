"""Builds what a run works with from its settings."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import cached_property

from kinetic_mailchimp.audit import AuditTrail, Run
from kinetic_mailchimp.audit.state.handover import HANDOVER_NAMESPACE
from kinetic_mailchimp.audit.state.three_way import ConflictPolicy
from kinetic_mailchimp.audit.trail.environment import CORRELATION_VARIABLE
from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.kit.errors import ConfigurationError

from target_epicor_contacts.applying.batch import Dependencies
from target_epicor_contacts.applying.pipeline import EventProcessor
from target_epicor_contacts.applying.results import ResultProcessor
from target_epicor_contacts.epicor.columns import CHANGE_COLUMNS, NAME, Columns
from target_epicor_contacts.epicor.contact_creator import ContactCreator
from target_epicor_contacts.epicor.entities import (
    CONTACT,
    CURSORS,
    EMAIL,
    PERSON,
    SYNC_EMAIL,
    SYSTEM_ID,
    Entity,
)
from target_epicor_contacts.epicor.journals import MEMO, JournalWriter, crm_call
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.row_writer import RowWriter
from target_epicor_contacts.reconcile.comparison import Comparison
from target_epicor_contacts.rules.policy import Rules
from target_epicor_contacts.settings import WriteSettings
from target_epicor_contacts.state.result_history import COUNTS, LAST_CAMPAIGN

_TEXT = ("Edm.String",)
_TIMES = ("Edm.DateTimeOffset", "Edm.Date", "Edm.String")
_NUMBERS = ("Edm.Int32", "Edm.Int64", "Edm.Int16", "Edm.Byte", "Edm.Decimal", "Edm.Double", "Edm.String")
_TYPES_OF_PARTICULARS: Mapping[str, tuple[str, ...]] = {
    "status_column": _TEXT,
    "reason_column": _TEXT,
    "date_column": _TIMES,
    "campaign_column": _TEXT,
}


class Assembly:
    """Builds what a run works with.

    Args:
        executor: Runs requests at the same time.
    """

    def __init__(self, client: EpicorClient, settings: WriteSettings, executor: Executor) -> None:
        self._client = client
        self._settings = settings
        self._executor = executor

    @cached_property
    def rules(self) -> Rules:
        """The rules that make changes of events, with the columns checked.

        Raises:
            ConfigurationError: A configured column does not exist, or is another setting's too.
        """
        settings, entities = self._settings, self._settings.entities
        company = self._client.settings.companies[0]
        settings.check_matrix_companies(self._client.settings.companies)
        types: dict[str, dict[str, str]] = {}
        lengths: dict[str, dict[str, int]] = {}
        for entity in entities:
            properties = self._client.metadata(company, entity.service).entity(entity.set_name).properties
            types[entity.name] = {name: column.edm_type for name, column in properties.items()}
            lengths[entity.name] = {
                name: column.max_length for name, column in properties.items() if column.max_length
            }
        countries = frozenset(
            name for name, field in settings.merge_fields.items() if field.endswith(".country")
        )
        columns = Columns(types, lengths, countries, names_companies=NAME in settings.merge_fields)
        columns.check(
            settings.flag_column, entities, origin="`flag_column`", everywhere=True, types=("Edm.Boolean",)
        )
        for name, allowed in _TYPES_OF_PARTICULARS.items():
            if column := getattr(settings, name):
                columns.check(column, entities, origin=f"`{name}`", types=allowed)
        for column in settings.audience_columns.values():
            columns.check(column, entities, origin="`audience_columns`", types=("Edm.String", "Edm.Boolean"))
        for name, column in settings.result_columns.items():
            types_of_result = _NUMBERS if name in COUNTS else _TEXT if name == LAST_CAMPAIGN else _TIMES
            columns.check(column, entities, origin=f"`result_columns`: {name}", types=types_of_result)
        rules = settings.rules(columns)
        if several := rules.columns_of_several(settings.result_columns.values()):
            raise ConfigurationError(
                f"Several settings write `{several[0]}`: each would undo what another one wrote.",
                advice="Name each column in one of `flag_column`, `status_column`, `reason_column`, "
                "`date_column`, `campaign_column`, `audience_columns` and `result_columns`.",
            )
        return rules

    def processor(
        self, trail: AuditTrail, run: Run, written_columns: Collection[str]
    ) -> EventProcessor | Comparison:
        """The processor of events, or with `reconcile` the comparison.

        Args:
            trail: The audit trail.
            run: The present run in it.
            written_columns: The columns that the streams bring.
        """
        settings, rules = self._settings, self.rules
        dependencies = self._dependencies(trail, run, written_columns)
        if settings.reconcile:
            return Comparison(dependencies, rules, settings)
        journals = {"memo": MEMO, "crm_call": crm_call(settings.crm_call_type)}
        evidence = [journals[kind] for kind in settings.evidence]
        dependencies = replace(
            dependencies,
            evidence=JournalWriter(self._client, evidence) if evidence else None,
            creator=self._creator(dependencies.finder) if settings.unmatched == "create" else None,
        )
        return EventProcessor(dependencies, rules, settings)

    def result_processor(self, trail: AuditTrail, run: Run) -> ResultProcessor:
        """The processor of campaign results.

        Args:
            trail: The audit trail.
            run: The present run in it.
        """
        settings = self._settings
        calls = {
            name: JournalWriter(self._client, [crm_call(call_type, names_rep=True)])
            for name, call_type in settings.result_calls.items()
        }
        dependencies = self._dependencies(trail, run, settings.result_columns.values())
        return ResultProcessor(dependencies, self.rules, settings, calls)

    def _dependencies(self, trail: AuditTrail, run: Run, written_columns: Collection[str]) -> Dependencies:
        """The part of the dependencies that events and results share."""
        finder, settings = self._finder(written_columns), self._settings
        writer = RowWriter(
            self._client,
            finder,
            self.rules.columns,
            self._executor,
            mode=settings.write_mode,
            verify=settings.verify_writes,
            first=self.rules.status_group(),
            together=self.rules.fields_of_columns(),
        )
        return Dependencies(trail, run, finder, writer, is_replay=CORRELATION_VARIABLE in os.environ)

    def has_handovers(self, trail: AuditTrail) -> bool:
        """True if flags that target-mailchimp found out about wait for a run of this kind."""
        if CORRELATION_VARIABLE in os.environ:
            return False
        return trail.ledger(HANDOVER_NAMESPACE).count() > 0

    def check_connection(self) -> Iterator[str]:
        """Try what a run needs: one readable line for each thing that works.

        Raises:
            ConnectorError: In words, what does not work and what to do.
        """
        client, settings = self._client, self._settings
        for entity in settings.entities:
            client.metadata(client.settings.companies[0], entity.service)
        yield f"Logged in at {client.settings.base_url} with `auth_method` `{client.settings.auth_method}`."
        yield f"The columns for status exist: {', '.join(sorted(self.rules.status_group()))}."
        for name in settings.merge_fields:
            self.rules.columns.check(name, settings.entities, origin="`merge_fields`")
        if settings.result_columns:
            yield f"The columns for campaign results exist: {', '.join(settings.result_columns.values())}."
        for company in client.settings.companies:
            for entity in settings.entities:
                client.read(company, entity.path, select=entity.key, top=1)
                yield f"Company {company}: {entity.setting} can be read (writing is not tried)."
        if settings.unmatched == "create":
            self._creator(self._finder()).customer_number()
            yield "The customer for new contacts exists."
        yield self._finder().addresses.describe_capitals()

    def _finder(self, written_columns: Collection[str] = ()) -> RowFinder:
        return RowFinder(
            self._client,
            {entity: self._selected(entity, written_columns) for entity in self._settings.entities},
            self._executor,
            types=self.rules.columns.types,
            address_filter=self._settings.address_filter,
            keep_seconds=self._settings.cache_seconds,
        )

    def _selected(self, entity: Entity, written_columns: Collection[str]) -> tuple[str, ...]:
        """The columns to read: those that identify a row, and those that may be written or compared."""
        known = self.rules.columns.types[entity.name]
        wanted = [*entity.key, EMAIL, SYSTEM_ID, *CURSORS, *sorted(self.rules.status_group())]
        if entity is CONTACT:
            wanted += [PERSON, SYNC_EMAIL, "Name", "FirstName", "MiddleName", "LastName"]
        if self.rules.conflict_policy is ConflictPolicy.NEWEST_WINS:
            wanted += CHANGE_COLUMNS
        wanted += sorted(written_columns)
        return tuple(dict.fromkeys(name for name in wanted if name in known))

    def _creator(self, finder: RowFinder) -> ContactCreator:
        return ContactCreator(
            self._client,
            finder,
            self.rules.columns,
            company=self._settings.create_in_company or self._client.settings.companies[0],
            customer=self._settings.create_under_customer or "",
        )
