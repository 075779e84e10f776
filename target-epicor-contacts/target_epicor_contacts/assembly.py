"""Builds what a run works with from its settings."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Executor

from kinetic_mailchimp.audit import AuditTrail, Run, default_database_url, encryption_key
from kinetic_mailchimp.audit.trail.environment import CORRELATION_VARIABLE
from kinetic_mailchimp.epicor import EpicorClient

from target_epicor_contacts.epicor.columns import CHANGE_COLUMNS, Columns
from target_epicor_contacts.epicor.contact_creator import ContactCreator
from target_epicor_contacts.epicor.entities import CONTACT, EMAIL, PERSON, SYNC_EMAIL, SYSTEM_ID, Entity
from target_epicor_contacts.epicor.opt_out_log import MEMO, EvidenceWriter, crm_call
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.row_writer import RowWriter
from target_epicor_contacts.pipeline import Dependencies, EventProcessor
from target_epicor_contacts.reconcile.comparison import Comparer
from target_epicor_contacts.rules.policy import ConflictPolicy, Rules
from target_epicor_contacts.settings import WriteSettings
from target_epicor_contacts.state.last_sent import LastSentValues

_TEXT = ("Edm.String",)
_TYPES_OF_PARTICULARS: Mapping[str, tuple[str, ...]] = {
    "status_column": _TEXT,
    "reason_column": _TEXT,
    "date_column": ("Edm.DateTimeOffset", "Edm.Date", "Edm.String"),
    "campaign_column": _TEXT,
}


def open_trail(settings: WriteSettings) -> AuditTrail:
    """The trail, encrypting with the key that `sync-audit` reads it with, where there is one.

    Raises:
        ConfigurationError: The database or the key is not usable.
    """
    url = settings.audit_database_url or default_database_url()
    return AuditTrail.open(url, encryption_key=encryption_key(), keep_payloads=settings.keep_payloads)


def build_rules(client: EpicorClient, settings: WriteSettings) -> Rules:
    """The rules that make changes of events, with the columns checked.

    Args:
        client: Kinetic, whose `$metadata` has the columns.
        settings: The settings.

    Raises:
        ConfigurationError: A configured column does not exist.
    """
    company, entities = client.settings.companies[0], settings.entities
    properties = {
        entity.name: client.metadata(company, entity.service).entity(entity.set_name).properties
        for entity in entities
    }
    columns = Columns(
        {
            name: {column: of_column.edm_type for column, of_column in of_entity.items()}
            for name, of_entity in properties.items()
        }
    )
    columns.check(
        settings.flag_column, entities, origin="`flag_column`", everywhere=True, types=("Edm.Boolean",)
    )
    for name, types in _TYPES_OF_PARTICULARS.items():
        if column := getattr(settings, name):
            columns.check(column, entities, origin=f"`{name}`", types=types)
    return settings.rules(columns)


def build_finder(
    client: EpicorClient,
    settings: WriteSettings,
    rules: Rules,
    executor: Executor,
    written_columns: Collection[str] = (),
) -> RowFinder:
    """The finder of rows, which reads every column that is written or compared.

    Args:
        client: Kinetic.
        settings: The settings.
        rules: The rules, with the columns that there are.
        executor: Runs the requests.
        written_columns: The columns that the streams bring.
    """
    return RowFinder(
        client,
        {entity: _selected(entity, rules, written_columns) for entity in settings.entities},
        executor,
        address_filter=settings.address_filter,
        keep_seconds=settings.cache_seconds,
    )


def build_creator(client: EpicorClient, settings: WriteSettings, finder: RowFinder) -> ContactCreator:
    """The creator of contacts for people without a row.

    Args:
        client: Kinetic.
        settings: The settings.
        finder: Looks for a contact, before and after.
    """
    return ContactCreator(
        client,
        finder,
        company=settings.create_in_company or client.settings.companies[0],
        customer=settings.create_under_customer or "",
    )


def build_processor(
    client: EpicorClient,
    settings: WriteSettings,
    rules: Rules,
    executor: Executor,
    trail: AuditTrail,
    run: Run,
    written_columns: Collection[str],
) -> EventProcessor | Comparer:
    """The processor of events, or with `reconcile` the comparer that takes its place.

    Args:
        client: Kinetic.
        settings: The settings.
        rules: The rules, with the columns that there are.
        executor: Runs the requests.
        trail: The audit trail.
        run: The present run in it.
        written_columns: The columns that the streams bring.
    """
    finder = build_finder(client, settings, rules, executor, written_columns)
    if settings.reconcile:
        return Comparer(run, finder, rules, settings)
    writer = RowWriter(
        client,
        finder,
        rules.columns,
        executor,
        mode=settings.write_mode,
        verify=settings.verify_writes,
        first=rules.status_group(),
    )
    journals = {"memo": MEMO, "crm_call": crm_call(settings.crm_call_type)}
    evidence = [journals[kind] for kind in settings.evidence]
    dependencies = Dependencies(
        trail=trail,
        run=run,
        finder=finder,
        writer=writer,
        last_sent=LastSentValues(trail, settings.merge_fields),
        evidence=EvidenceWriter(client, evidence) if evidence else None,
        creator=build_creator(client, settings, finder) if settings.unmatched == "create" else None,
        is_replay=CORRELATION_VARIABLE in os.environ,
    )
    return EventProcessor(dependencies, rules, settings)


def check_connection(client: EpicorClient, settings: WriteSettings, executor: Executor) -> Iterator[str]:
    """Try what a run needs: one readable line for each thing that works.

    Args:
        client: Kinetic.
        settings: The settings.
        executor: Runs the requests.

    Raises:
        ConnectorError: In words, what does not work and what to do.
    """
    for entity in settings.entities:
        client.metadata(client.settings.companies[0], entity.service)
    yield f"Logged in at {client.settings.base_url} with `auth_method` `{client.settings.auth_method}`."
    rules = build_rules(client, settings)
    yield f"The columns for status exist: {', '.join(sorted(rules.status_group()))}."
    for company in client.settings.companies:
        for entity in settings.entities:
            client.read(company, entity.path, select=entity.key, top=1)
            yield f"Company {company}: {entity.setting} can be read."
    if settings.unmatched == "create":
        build_creator(client, settings, build_finder(client, settings, rules, executor)).customer_number()
        yield "The customer for new contacts exists."
    with open_trail(settings):
        yield "The audit database can be written."


def _selected(entity: Entity, rules: Rules, written_columns: Collection[str]) -> tuple[str, ...]:
    """The columns to read: those that identify a row, and those that may be written or compared."""
    known = rules.columns.types[entity.name]
    wanted = [*entity.key, EMAIL, SYSTEM_ID, rules.flag_column, *rules.status_columns.given()]
    if entity is CONTACT:
        wanted += [PERSON, SYNC_EMAIL, "Name", "FirstName", "MiddleName", "LastName"]
    if rules.conflict_policy is ConflictPolicy.NEWEST_WINS:
        wanted += CHANGE_COLUMNS
    wanted += sorted(written_columns)
    return tuple(dict.fromkeys(name for name in wanted if name in known))
