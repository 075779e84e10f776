"""The audit trail of the connectors: every decision about every record, and how to read it."""

from kinetic_mailchimp.audit.state.ledger import Ledger, LedgerChanges
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import Action, Change, Decision
from kinetic_mailchimp.audit.trail.direction import Direction
from kinetic_mailchimp.audit.trail.drift import RECONCILE, Drift
from kinetic_mailchimp.audit.trail.environment import default_database_url, encryption_key
from kinetic_mailchimp.audit.trail.run import Run
from kinetic_mailchimp.audit.trail.summary import RunSummary, Status

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
