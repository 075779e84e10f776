"""The ledger as a run that writes nothing would leave it: what it plans for one record, the next build on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from kinetic_mailchimp.audit import AuditTrail, LedgerChanges
from kinetic_mailchimp.audit.state.ledger import Ledger
from typing_extensions import override

from target_mailchimp.planning.snapshot import Snapshot

_FORGOTTEN = "null"


class Trial:
    """Changes of the ledger that last as long as the run."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail
        self._changes = Snapshot()

    def add(self, changes: LedgerChanges) -> None:
        """Take changes as the ledger would."""
        for namespace, values in changes.items():
            self._changes.add({f"{namespace}/{key}": value for key, value in values.items()})

    def ledger(self, namespace: str) -> Ledger:
        """A namespace of the ledger, with the changes."""
        return _TrialLedger(self._trail, namespace, self._changes)

    def close(self) -> None:
        """Forget the changes."""
        self._changes.close()


class _TrialLedger(Ledger):
    def __init__(self, trail: AuditTrail, namespace: str, changes: Snapshot) -> None:
        super().__init__(trail.database, namespace)
        self._prefix = f"{namespace}/"
        self._changes = changes

    @override
    def get_many(
        self, keys: Iterable[str], read: Callable[[str], Any] = msgspec.json.decode
    ) -> dict[str, Any]:
        wanted = {f"{self._prefix}{key}": key for key in keys}
        found = super().get_many(wanted.values(), read)
        for name, text in self._changes.get_many(wanted, str).items():
            if text == _FORGOTTEN:
                found.pop(wanted[name], None)
            else:
                found[wanted[name]] = read(text)
        return found
