"""Before the first record: notes the audiences for the pages, and takes opt-outs of other audiences."""

from __future__ import annotations

from typing import Any, Final

from kinetic_mailchimp.audit import AuditTrail, Run
from kinetic_mailchimp.audit.state.audience_matrix import (
    AUDIENCES_NAMESPACE,
    CountedOptOut,
    KnownAudience,
    counted_namespace,
)

from target_mailchimp.contract.member_record import COUNTED
from target_mailchimp.loading.pipeline import Loader
from target_mailchimp.settings import LoadSettings

_PROPERTIES: Final = ("email_address", "status", "source_consent", "source_updated_on", "list_id")


def note_audiences(names: dict[str, str], loader: Loader, trail: AuditTrail, settings: LoadSettings) -> None:
    """Note the audiences and the companies that feed them.

    Args:
        names: The names of the audiences, by id.
        loader: Records it.
        trail: The audit trail.
        settings: Say who feeds whom.
    """
    companies = settings.audiences_by_company
    now: dict[str, dict[str, Any] | None] = {
        list_id: KnownAudience(name, tuple(one for one in companies if list_id in companies[one])).to_json()
        for list_id, name in names.items()
    }
    known = dict(trail.ledger(AUDIENCES_NAMESPACE).items())
    changes = {list_id: now.get(list_id) for list_id in {*known, *now}}
    if changes != known:
        loader.record([], {AUDIENCES_NAMESPACE: changes})


def take_counted(loader: Loader, trail: AuditTrail, run: Run, settings: LoadSettings) -> None:
    """Take the opt-outs of other audiences that count in those of this run, as the persons' own word.

    Args:
        loader: Writes them, and takes them out of the ledger.
        trail: The audit trail, whose ledger has them.
        run: The present run in it.
        settings: Name the audiences.

    Raises:
        ConnectorError: The run cannot go on; they wait for the next one.
    """
    waiting = {
        namespace: dict(trail.ledger(namespace).items())
        for namespace in map(counted_namespace, sorted(settings.fed_audiences))
    }
    if not any(waiting.values()):
        return
    texts = {name: {"type": "string"} for name in _PROPERTIES}
    run.describe_stream(COUNTED, {"properties": {**texts, "source_dated": {"type": "boolean"}}})
    for namespace, opt_outs in waiting.items():
        for opt_out in map(CountedOptOut.from_json, opt_outs.values()):
            values = opt_out.address, "unsubscribed", "person", opt_out.at, namespace.rpartition("/")[2]
            loader.take(COUNTED, {**dict(zip(_PROPERTIES, values, strict=True)), "source_dated": True})
    loader.flush()
    loader.record([], {namespace: dict.fromkeys(opt_outs) for namespace, opt_outs in waiting.items()})
