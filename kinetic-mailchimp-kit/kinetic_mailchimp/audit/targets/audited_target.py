"""A target that accounts for every record in the audit trail, and the sinks that hand it the records."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar, Protocol

from singer_sdk.sinks import Sink
from typing_extensions import override

from kinetic_mailchimp.audit.targets.lineage import Lineage
from kinetic_mailchimp.audit.targets.settings import RunSettings
from kinetic_mailchimp.audit.trail.administration import PREVIEW
from kinetic_mailchimp.audit.trail.direction import Direction
from kinetic_mailchimp.audit.trail.environment import pipeline
from kinetic_mailchimp.kit.checks import Check
from kinetic_mailchimp.kit.errors import ConfigurationError, text_to_keep
from kinetic_mailchimp.kit.http.web_url import check_is_local
from kinetic_mailchimp.kit.singer.durable_target import DurableTarget, RunStatus
from kinetic_mailchimp.kit.singer.messages import is_unfinished

if TYPE_CHECKING:
    from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
    from kinetic_mailchimp.audit.trail.run import Run
    from kinetic_mailchimp.kit.http.transport import Transport

PROGRESS_SECONDS = 10.0
_NOT_HONOURED = ("add_record_metadata", "load_method", "batch_size_rows", "validate_records")


class Client(Protocol):
    """A client of a vendor."""

    transport: Transport


class AuditedTarget(DurableTarget):
    """A target each of whose records ends as a decision in the audit trail.

    Its sinks are `AuditedSink`s; it takes what they hand on in `apply`.
    """

    direction: ClassVar[Direction]
    personal_fields: ClassVar[Sequence[str]] = ()
    """Objects within its ledger values that an erasure takes as a whole."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 (passed on as they are)
        super().__init__(**arguments)
        self._started_at = self._progress_at = time.monotonic()
        self._streams: dict[str, None] = {}
        self._is_input_whole = False

    @property
    @abstractmethod
    def settings(self) -> RunSettings:
        """The settings beside those of the connection."""

    @abstractmethod
    def apply(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Take records in the order of their arrival; `flush` makes them durable.

        Raises:
            ConnectorError: The run cannot go on.
        """

    def flush(self) -> None:
        """Write everything that was taken; every record has a durable decision when this returns.

        Raises:
            ConnectorError: The run cannot go on.
        """

    def complete_stream(self, stream: str) -> None:
        """Take note that every record of a stream was read: only a comparison needs to know."""

    @property
    def shortfall(self) -> str:
        """The reason why a run that ended well has not done all of its work; empty where it has."""
        if self._is_input_whole or self.settings.reconcile or not self.settings.dry_run:
            return ""
        return (
            "The input may have ended in its midst (no STATE message after the last record): the tap or the "
            "mapper broke, or the tap writes none. This dry run is not a plan."
        )

    @property
    @abstractmethod
    def client(self) -> Client:
        """The vendor's client; made when it is first asked for."""

    @property
    def calls(self) -> int:
        """Number of calls to the vendor so far."""
        return sum(self.client.transport.calls.values()) if "client" in vars(self) else 0

    @cached_property
    def trail(self) -> AuditTrail:
        """The audit trail, with the ledger."""
        return self.settings.open_trail()

    @cached_property
    def run(self) -> Run:
        """This run in the audit trail; it starts when it is first asked for."""
        lineage = self.lineage
        started = self._start(self.settings.pipeline)
        if lineage:
            lineage.start()
        return started

    def _start(self, pipeline: str) -> Run:
        return self.trail.start_run(
            plugin=self.name,
            version=self.plugin_version,
            pipeline=pipeline,
            dry_run=self.settings.dry_run,
            direction=self.direction,
            personal_fields=self.personal_fields,
        )

    @cached_property
    def lineage(self) -> Lineage | None:
        """Tells a collector of this run, where one is configured and the run is to write."""
        settings = self.settings
        if not settings.openlineage_url or settings.dry_run:
            return None
        return Lineage(
            settings.openlineage_url,
            settings.openlineage_api_key,
            job=settings.pipeline or pipeline() or self.name,
            producer=f"{self.name}:{self.plugin_version}",
            direction=self.direction,
        )

    def preview(self, messages: IO[str]) -> int:
        """Decide about messages as a run would, and write nothing.

        Returns:
            The dry run in the audit trail.

        Raises:
            ConfigurationError: The setting `dry_run` is not on.
            ConnectorError: The vendor cannot be asked.
        """
        if not self.settings.dry_run:
            raise ConfigurationError("A preview writes nothing.", advice="Set `dry_run`.")
        self.run = self._start(PREVIEW)
        self.listen(messages)
        return self.run.id

    @property
    @abstractmethod
    def server(self) -> str:
        """The URL of the vendor's server."""

    def open_stream(self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> None:
        """Prepare for the records of a stream, and let its dead letters be replayed under its schema.

        Args:
            stream: Its name.
            schema: Its JSON schema, from the SCHEMA message.
            key_properties: From the same message.

        Raises:
            ConfigurationError: The stream does not fit the settings.
        """
        if self.settings.local_servers_only and not (self.settings.dry_run or self.settings.reconcile):
            check_is_local(self.server)
        self.run.describe_stream(stream, schema, key_properties)
        self._streams[stream] = None

    @override
    def checks(self) -> Sequence[Check]:
        return [*super().checks(), Check("audit database", self._check_trail)]

    def _check_trail(self) -> Iterator[str]:
        with self.settings.open_trail() as trail:
            trail.database.require_writable()
            yield "The audit database can be written."

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Leave out the SDK's settings that mean nothing here."""
        super().append_builtin_config(config_jsonschema)
        for name in _NOT_HONOURED:
            config_jsonschema["properties"].pop(name, None)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        def complete(message: dict[str, Any]) -> None:
            # Of a stream that was never described, nothing came that could be complete.
            for stream_map in self.mapper.stream_maps.get(str(message.get("stream")), ()):
                self.complete_stream(stream_map.stream_alias)

        self._uninterrupted(complete, message_dict)

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        self._is_input_whole = False
        super()._process_schema_message(message_dict)

    @override
    def _take_state(self, message_dict: dict[str, Any]) -> None:
        self._is_input_whole = not is_unfinished(message_dict["value"])
        super()._take_state(message_dict)

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        self._is_input_whole = False
        super()._process_batch_message(message_dict)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self._is_input_whole = False
        super()._process_record_message(message_dict)
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_SECONDS and "run" in vars(self):
            self._progress_at = now
            decided = sum(self.run.counts.values())
            self.summary_logger.info(
                "%d records read, %d decided, %.0f per second; %d calls.",
                self.run.records_read,
                decided,
                decided / (now - self._started_at),
                self.calls,
            )

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Emit the state once everything before it is written."""
        self.flush()
        if self.settings.saves_state:
            super()._write_state_message(state)

    @override
    def end_run(self, status: RunStatus, error: Exception | None = None) -> None:
        reason = text_to_keep(error) if error else None
        if status == "succeeded" and self.shortfall:
            # Half of a source may agree with the other system where the whole does not.
            status, reason = "stopped", self.shortfall
            self.logger.warning("%s", reason)
        try:
            self.summary_logger.info("%s; %d calls.", self.run.finish(status, reason), self.calls)
        finally:
            if "trail" in vars(self):
                self.trail.close()
            if "client" in vars(self):
                self.client.transport.close()
            if "run" in vars(self) and self.lineage:
                self.lineage.end(status, self._streams)


class AuditedSink(Sink):
    """Hands records on as they came: an error in one is a decision in the audit trail, and ends no run."""

    def __init__(self, target: AuditedTarget, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (passed on as they are)
        super().__init__(target, *arguments, **named)
        self.target = target

    @override
    def setup(self) -> None:
        super().setup()
        self.target.open_stream(self.stream_name, self.schema, self.key_properties)

    @override
    def clean_up(self) -> None:
        """Finish all writes at the end of the input, whether a state follows or not."""
        self.target.flush()
        super().clean_up()

    @override
    def get_validator(self) -> None:
        return None

    @override
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        return record

    @override
    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Let a record without its key pass: the target decides about it."""

    @override
    def _after_process_record(self, context: dict[str, Any]) -> None:
        """Log nothing: the SDK would write the whole batch into the log."""
