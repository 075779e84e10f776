"""The settings of the target, each declared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from kinetic_mailchimp.audit.targets.settings import RunSettings
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.settings.declaration import json_schema, read, setting
from kinetic_mailchimp.mailchimp import MAILCHIMP_SETTINGS
from kinetic_mailchimp.mailchimp.client import LARGEST_BATCH
from kinetic_mailchimp.mailchimp.settings import DEFAULT_CONNECTIONS, MOST_CONNECTIONS
from typing_extensions import override

from target_mailchimp.rules.policy import Policy

OnInvalid = Literal["skip", "dead_letter"]


@dataclass(frozen=True)
class LoadSettings(Policy, RunSettings):
    """The settings of a load."""

    list_id: str = setting(
        "",
        title="Audience",
        description="The audience to write to, by id or name. Streams and records may say otherwise.",
    )
    list_id_by_stream: Mapping[str, str] | None = setting(
        None,
        title="Audience of a stream",
        description="Stream name → id or name of its audience. A record's own `list_id` goes before it.",
    )
    batch_size: int = setting(
        LARGEST_BATCH,
        description="Members in one call; Mailchimp takes 500 at most.",
        minimum=1,
        maximum=LARGEST_BATCH,
    )
    concurrency: int = setting(
        DEFAULT_CONNECTIONS,
        description="Calls in flight at once. Mailchimp grants ten to a user, over all programs.",
        minimum=1,
        maximum=MOST_CONNECTIONS,
    )
    create_merge_fields: bool = setting(
        default=False,
        description="Make merge fields that the audience lacks, with type and name from the stream's schema.",
    )
    skip_merge_validation: bool = setting(
        default=True,
        description="Take members without the merge fields that the audience's forms require.",
    )
    address_placeholder: str = setting(
        "",
        description="Text to send for the state and the zip that an address does not have, such as `-`: "
        "Mailchimp takes no address without them. By default, such an address clears the one there. "
        "A placeholder comes back with the address, so the way to Epicor must leave it out.",
    )
    on_invalid: OnInvalid = setting(
        "skip",
        title="Records without a usable address",
        description="`skip` records why; `dead_letter` also keeps it for replay and counts it as failed.",
    )
    only: tuple[str, ...] = setting(
        (),
        title="Only these addresses",
        description="All other people are skipped for the present, and no state is saved: a run without it "
        "reads them again. For a first try.",
    )
    first: int | None = setting(
        None,
        title="Only the first people",
        description="The number of people to write, in the order in which they are read; else as `only`.",
        minimum=1,
    )
    approved_plan: int | None = setting(
        None,
        title="Approved plan",
        description="The number of a run with `dry_run` that `sync-audit plan approve` or the page has "
        "approved. What is not in it is not written, and ends the run before its state moves on.",
        minimum=1,
    )
    plan_valid_hours: int = setting(
        72,
        title="Validity of a plan",
        description="Hours after which a plan may not be written any more.",
        minimum=1,
    )

    @property
    @override
    def saves_state(self) -> bool:
        return super().saves_state and not self.is_about_some

    @property
    def is_limited(self) -> bool:
        """True for a run that may write to some people alone, or what was approved alone."""
        return self.is_about_some or bool(self.approved_plan)

    @property
    def is_about_some(self) -> bool:
        """True for a run that leaves people out whom a later one reads again."""
        return bool(self.only or self.first)

    @property
    def named_audiences(self) -> frozenset[str]:
        """The ids or names of audiences that the settings hold."""
        return frozenset(
            self.fed_audiences or {self.list_id, *(self.list_id_by_stream or {}).values()} - {""}
        )

    def audiences_of_stream(self, stream: str) -> Sequence[str]:
        """The audiences that records of a stream may go to, as they are named.

        Raises:
            ConfigurationError: Nothing names one.
        """
        return sorted(self.fed_audiences) or (self.audience_of(stream),)

    def audiences_fed(self, stream: str, row: str) -> Sequence[str]:
        """The audiences that a row goes to, as they are named; none where its company feeds none.

        Args:
            stream: The stream of its record.
            row: Its name.

        Raises:
            ConfigurationError: Nothing names one.
        """
        return self.audiences_of(row) if self.audiences_by_company else (self.audience_of(stream),)

    def audience_of(self, stream: str, named_by_record: str = "") -> str:
        """The audience that a record goes to, as it is named: an id or a name.

        Args:
            stream: The stream of the record.
            named_by_record: The record's own `list_id`, if it has one.

        Raises:
            ConfigurationError: Nothing names one.
        """
        wanted = named_by_record or (self.list_id_by_stream or {}).get(stream) or self.list_id
        if not wanted:
            raise ConfigurationError(
                f"Nothing says which audience stream `{stream}` goes to.",
                advice="Set `list_id`, or the stream's entry in `list_id_by_stream`.",
            )
        return wanted


def load_settings(config: Mapping[str, Any]) -> LoadSettings:
    """Read a configuration that was validated against `JSON_SCHEMA`; a comparison never writes."""
    settings = read(LoadSettings, config)
    settings.check_matrix()
    tags = settings.purchase_fields.values()
    if len(set(tags)) < len(tags):
        raise ConfigurationError(
            "`purchase_fields` names one merge field twice.", advice="Give each value a field of its own."
        )
    return replace(settings, dry_run=settings.dry_run or settings.reconcile)


_SCHEMA = json_schema(LoadSettings)
JSON_SCHEMA: dict[str, Any] = {**_SCHEMA, "properties": {**MAILCHIMP_SETTINGS, **_SCHEMA["properties"]}}
