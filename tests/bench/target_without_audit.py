"""target-mailchimp that counts its decisions and keeps none: what bench_audit_overhead compares with.

No decision is made, no row, no digest, and nothing is inserted. The ledger stays, with its transactions: what
was sent last is needed to sync, whether somebody audits it or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import kinetic_mailchimp.audit
from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.kit.singer.plugin import run_plugin
from target_mailchimp.audit import decisions as report
from target_mailchimp.target import TargetMailchimp


class HasAction(Protocol):
    @property
    def action(self) -> Action: ...


def counting(record: Callable[..., None]) -> Callable[..., None]:
    """`Run.record`, left with the ledger."""

    def count(
        run: kinetic_mailchimp.audit.Run,
        made: Sequence[HasAction],
        *,
        ledger: Mapping[str, Any] | None = None,
    ) -> None:
        record(run, [], ledger=ledger)
        with run._counting:
            run._counts.update(outcome.action for outcome in made)

    return count


def main() -> None:
    for name in ("of_write_result", "of_no_write"):
        setattr(report, name, lambda decided, *_: decided)
    kinetic_mailchimp.audit.Run.record = counting(kinetic_mailchimp.audit.Run.record)  # type: ignore[method-assign]
    run_plugin(TargetMailchimp)


if __name__ == "__main__":
    main()
