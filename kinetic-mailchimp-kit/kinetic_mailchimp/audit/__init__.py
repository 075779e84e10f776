"""The audit trail of the connectors: every decision about every record, and how to read it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kinetic_mailchimp.audit.trail.decision import Action, Change, Decision
from kinetic_mailchimp.audit.trail.direction import Direction
from kinetic_mailchimp.audit.trail.drift import RECONCILE, Drift
from kinetic_mailchimp.audit.trail.summary import RunSummary, Status

if TYPE_CHECKING:
    from kinetic_mailchimp.audit.state.ledger import Ledger, LedgerChanges
    from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
    from kinetic_mailchimp.audit.trail.environment import default_database_url, encryption_key
    from kinetic_mailchimp.audit.trail.run import Run

__all__ = [
    "RECONCILE",
    "Action",
    "AuditTrail",
    "Change",
    "Decision",
    "Direction",
    "Drift",
    "Ledger",
    "LedgerChanges",
    "Run",
    "RunSummary",
    "Status",
    "default_database_url",
    "encryption_key",
]

# With a database: SQLAlchemy takes half as long to import as the SDK does.
_IMPORTED_WHEN_USED = {
    "AuditTrail": "trail.audit_trail",
    "Ledger": "state.ledger",
    "LedgerChanges": "state.ledger",
    "Run": "trail.run",
    "default_database_url": "trail.environment",
    "encryption_key": "trail.environment",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (a class or a type)
    if name not in _IMPORTED_WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_IMPORTED_WHEN_USED[name]}"), name)
