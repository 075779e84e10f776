"""The audit trail of the connectors: every decision about every record, and how to read it."""

from sync_audit.decision import Action, Change, Decision
from sync_audit.drift import RECONCILE, Drift
from sync_audit.environment import default_database_url, encryption_key
from sync_audit.ledger import Ledger, LedgerChanges
from sync_audit.run import Run
from sync_audit.summary import RunSummary, Status
from sync_audit.trail import AuditTrail

__all__ = [
    "RECONCILE",
    "Action",
    "AuditTrail",
    "Change",
    "Decision",
    "Drift",
    "Ledger",
    "LedgerChanges",
    "Run",
    "RunSummary",
    "Status",
    "default_database_url",
    "encryption_key",
]
