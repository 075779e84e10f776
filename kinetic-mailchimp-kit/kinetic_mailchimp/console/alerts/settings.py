"""Settings of `sync-audit alert`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from kinetic_mailchimp.audit.cli.common import parse_age
from kinetic_mailchimp.audit.trail.drift import Drift
from kinetic_mailchimp.kit.http.web_url import web_url
from kinetic_mailchimp.kit.settings.declaration import setting


def _age(default: str, description: str) -> Any:  # noqa: ANN401 (as `setting`)
    return setting(
        parse_age(default),
        parse=parse_age,
        schema={"type": ["string"], "default": default},
        metavar="AGE",
        description=description,
    )


@dataclass(frozen=True)
class AlertSettings:
    """Channels, sources, and the limits above which a fact is worth a message."""

    urls: tuple[str, ...] = setting(
        (),
        secret=True,
        metavar="URL",
        description="An apprise URL; may be given several times. In the variable, spaces stand between them.",
    )
    receiver_url: str = setting(
        "",
        description="The receiver of webhooks, whose health and inbox are probed: http://127.0.0.1:8080.",
        parse=partial(web_url, setting="--receiver-url"),
    )
    inactive: timedelta = _age(
        "30m", "A run that has written nothing for so long, and whose process is not seen, was killed."
    )
    overdue: timedelta = _age("24h", "No run of a target has succeeded for so long.")
    refused: int = setting(
        10, minimum=0, description="More deliveries of Mailchimp that the receiver refused."
    )
    meltano_database: str = setting(
        "",
        title="Meltano's database",
        secret=True,
        variables=("MELTANO_DATABASE_URI",),
        metavar="URL",
        description="The database of Meltano's runs; by default .meltano/meltano.db of the project.",
    )
    failures: int = setting(10, minimum=0, description="More failed records than this, in a run or waiting.")
    opt_out_age: timedelta = _age("60m", "Opt-outs that have waited for so long.")
    drift: int = setting(0, minimum=0, description="More differences in the last comparison than this.")
    accept: frozenset[Drift] = setting(
        frozenset(),
        variables=("AUDIT_DRIFT_ACCEPT",),
        metavar="KIND",
        description="Differences of this kind do not count; several times. "
        f"Kinds: {', '.join(map(str, Drift))}.",
    )
    quiet: timedelta = _age(
        "12h", "The time in which no second message is sent about a condition that persists."
    )
