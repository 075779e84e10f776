"""Settings that every target has, and the limit of failures that follows from them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kinetic_mailchimp import audit  # what needs a database is imported when it is used
from kinetic_mailchimp.audit.trail.drift import RECONCILE, REPAIR
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.settings.declaration import setting

ENOUGH_FOR_A_RATIO = 100
"""Records after which a share of failures means something."""


class TooManyFailuresError(ConnectorError):
    """More records failed than the settings allow."""


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run, whatever it writes to."""

    max_failed: int | None = setting(
        None,
        title="Most failed records",
        description="More failed records than this end the run with an error before its state moves on.",
        minimum=0,
    )
    max_failed_ratio: float | None = setting(
        None,
        title="Largest share of failed records",
        description="The same as a share of the records read, from 0 to 1, once 100 were read.",
        minimum=0,
        maximum=1,
    )
    audit_database_url: str = setting(
        "",
        description="`sqlite:///…` or `postgresql://…`; by default `data/sync-audit.sqlite3` in the project.",
        secret=True,
    )
    keep_payloads: bool = setting(
        default=False,
        description="Store what was sent completely in the audit trail, encrypted where "
        "AUDIT_ENCRYPTION_KEY is set.",
    )
    dry_run: bool = setting(
        default=False,
        description="Do everything but write; the audit trail says what would be done. No state is saved.",
    )
    local_servers_only: bool = setting(
        default=False,
        description="Refuse to write to a server that is not on this machine: only simulators are meant.",
    )
    reconcile: bool = setting(
        default=False,
        description="Compare all records with what is there and write nothing; what differs is recorded as "
        "`drifted`. Needs a full read, as the job `reconcile` makes it. No state is saved.",
    )
    repair: bool = setting(
        default=False,
        description="Look at every row and member, as the job `repair` does: an opt-out is written to each "
        "row that lacks it, whatever is remembered, and values go again that Mailchimp once did not take or "
        "store. No state is saved.",
    )
    openlineage_url: str = setting(
        "",
        title="OpenLineage collector",
        description="The URL of a collector, such as `http://marquez:5000`, which is told when a run starts "
        "and ends, with the names of its streams. By default none is.",
    )
    openlineage_api_key: str = setting(
        "", title="OpenLineage key", description="The key of the collector, if it wants one.", secret=True
    )

    @property
    def saves_state(self) -> bool:
        """False for a run after which the records must come again."""
        return not (self.dry_run or self.repair)

    @property
    def pipeline(self) -> str:
        """The name of the run's pipeline, where it is another one than Meltano's."""
        return RECONCILE if self.reconcile else REPAIR if self.repair else ""

    def open_trail(self) -> audit.AuditTrail:
        """The trail, encrypting with the key that `sync-audit` reads it with, where there is one.

        Raises:
            ConfigurationError: The database or the key is not usable.
        """
        url = self.audit_database_url or audit.default_database_url()
        key = audit.encryption_key()
        return audit.AuditTrail.open(url, encryption_key=key, keep_payloads=self.keep_payloads)

    def check_failures(
        self, run: audit.Run, *, share: bool = True, failures: Collection[audit.Action] = ()
    ) -> None:
        """Stop a run in which too many records failed.

        Args:
            run: The run.
            share: Whether to look at `max_failed_ratio` too, not at `max_failed` alone.
            failures: Actions that count beside those that are failures always.

        Raises:
            TooManyFailuresError: More failed than the settings allow.
        """
        ratio = self.max_failed_ratio if share and run.records_read >= ENOUGH_FOR_A_RATIO else None
        if run.exceeds(self.max_failed, ratio, failures):
            raise TooManyFailuresError(
                f"Too many of {run.records_read} records failed: the run ends before its state moves on.",
                advice="`sync-audit failures` shows them and `sync-audit replay` sends them again; "
                "the limits are `max_failed` and `max_failed_ratio`.",
            )
