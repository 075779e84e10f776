"""The settings of the target: declared for Singer, and read into one frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.mailchimp import MAILCHIMP_SETTINGS
from kinetic_mailchimp.mailchimp.client import LARGEST_BATCH
from kinetic_mailchimp.mailchimp.settings import DEFAULT_CONNECTIONS, MOST_CONNECTIONS
from singer_sdk import typing as th

InactiveAction = Literal["nothing", "tag", "unsubscribe", "archive"]
TagMode = Literal["add", "replace"]
OnInvalid = Literal["skip", "dead_letter"]

DEFAULT_INACTIVE_TAG = "Inactive"

_OWN_SETTINGS = th.PropertiesList(
    th.Property(
        "list_id",
        th.StringType,
        title="Audience",
        description="The audience to write to, by id or name. Streams and records may say otherwise.",
    ),
    th.Property(
        "list_id_by_stream",
        th.ObjectType(additional_properties=th.StringType),
        title="Audience of a stream",
        description="Stream name → id or name of its audience. A record's own `list_id` goes before it.",
    ),
    th.Property(
        "batch_size",
        th.IntegerType(minimum=1, maximum=LARGEST_BATCH),
        default=LARGEST_BATCH,
        title="Batch size",
        description="Members in one call; Mailchimp takes 500 at most.",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=MOST_CONNECTIONS),
        default=DEFAULT_CONNECTIONS,
        title="Concurrency",
        description="Calls in flight at once. Mailchimp grants ten to a user, over all programs.",
    ),
    th.Property(
        "status_if_new",
        th.StringType(allowed_values=["subscribed", "pending", "transactional", "unsubscribed"]),
        default="subscribed",
        title="Status of new members",
        description="For a record that brings none. With double opt-in, `subscribed` becomes `pending`.",
    ),
    th.Property(
        "update_only_streams",
        th.ArrayType(th.StringType),
        default=[],
        title="Streams that only update",
        description="Records of these streams update members and never create one.",
    ),
    th.Property(
        "create_merge_fields",
        th.BooleanType,
        default=False,
        title="Create merge fields",
        description="Make merge fields that the audience lacks, with type and name from the stream's schema.",
    ),
    th.Property(
        "skip_merge_validation",
        th.BooleanType,
        default=True,
        title="Skip the check of required merge fields",
        description="Take members without the merge fields that the audience's forms require.",
    ),
    th.Property(
        "tags",
        th.StringType(allowed_values=["add", "replace"]),
        default="add",
        title="Tags",
        description="Whether a record's `tags` are added, or are all that the member shall have.",
    ),
    th.Property(
        "inactive_action",
        th.StringType(allowed_values=["nothing", "tag", "unsubscribe", "archive"]),
        default="nothing",
        title="Inactive customers",
        description="What happens to a member whose records all say `source_active: false`.",
    ),
    th.Property(
        "inactive_tag",
        th.StringType,
        default=DEFAULT_INACTIVE_TAG,
        title="Tag of inactive customers",
        description="What `inactive_action: tag` adds, and removes when the customer is active again.",
    ),
    th.Property(
        "on_invalid",
        th.StringType(allowed_values=["skip", "dead_letter"]),
        default="skip",
        title="Records without a usable address",
        description="`skip` records why; `dead_letter` also keeps it for replay and counts it as failed.",
    ),
    th.Property(
        "max_failed",
        th.IntegerType(minimum=0),
        title="Most failed records",
        description="More failed records than this end the run with an error, and its state is not saved.",
    ),
    th.Property(
        "max_failed_ratio",
        th.NumberType(minimum=0, maximum=1),
        title="Largest share of failed records",
        description="The same as a share of the records read, from 0 to 1, once 100 were read.",
    ),
    th.Property(
        "audit_database_url",
        th.StringType,
        secret=True,
        title="Audit database",
        description="`sqlite:///…` or `postgresql://…`; by default `data/sync-audit.sqlite3` in the project.",
    ),
    th.Property(
        "keep_payloads",
        th.BooleanType,
        default=False,
        title="Keep what was sent",
        description=(
            "Store what was sent completely in the audit trail, encrypted where AUDIT_ENCRYPTION_KEY is set."
        ),
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        title="Dry run",
        description="Do everything but write; the audit trail says what would be done. No state is saved.",
    ),
    th.Property(
        "reconcile",
        th.BooleanType,
        default=False,
        title="Reconcile",
        description="Compare all records with the whole audience and write nothing; what differs is recorded "
        "as `drifted`. Wants a full read, as the job `reconcile` makes it.",
    ),
)

JSON_SCHEMA: dict[str, Any] = {
    **_OWN_SETTINGS.to_dict(),
    "properties": {**MAILCHIMP_SETTINGS, **_OWN_SETTINGS.to_dict()["properties"]},
}


@dataclass(frozen=True)
class LoadSettings:
    """How records are written; each attribute is the setting of that name."""

    list_id: str = ""
    list_id_by_stream: Mapping[str, str] | None = None
    batch_size: int = LARGEST_BATCH
    concurrency: int = DEFAULT_CONNECTIONS
    status_if_new: str = "subscribed"
    update_only_streams: frozenset[str] = frozenset()
    create_merge_fields: bool = False
    skip_merge_validation: bool = True
    tags: TagMode = "add"
    inactive_action: InactiveAction = "nothing"
    inactive_tag: str = DEFAULT_INACTIVE_TAG
    on_invalid: OnInvalid = "skip"
    max_failed: int | None = None
    max_failed_ratio: float | None = None
    keep_payloads: bool = False
    dry_run: bool = False
    reconcile: bool = False

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LoadSettings:
        """Read the settings; they were validated against the schema, and an empty value counts as none."""
        set_ones = {name: config.get(name) for name in cls.__dataclass_fields__}
        given: dict[str, Any] = {name: value for name, value in set_ones.items() if value not in (None, "")}
        given["update_only_streams"] = frozenset(given.get("update_only_streams", ()))
        if given.get("reconcile"):
            given["dry_run"] = True
        return cls(**given)

    def audience_of(self, stream: str, named_by_record: str = "") -> str:
        """The audience that a record goes to, as it is named: an id or a name.

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
