"""The sink of every stream: hands each record to the loader, which writes for all streams together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import RecordSink

from target_mailchimp.contract.member_record import HANDLED_ATTRIBUTES, is_tag

if TYPE_CHECKING:
    from target_mailchimp.target import TargetMailchimp


class MemberSink(RecordSink):
    """Takes member records of any stream."""

    def __init__(self, target: TargetMailchimp, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (passed on as they are)
        super().__init__(target, *arguments, **named)
        self._target = target

    def setup(self) -> None:
        """Tell the loader and the audit trail what is to come."""
        super().setup()
        self._target.expect(self.stream_name, self.schema, self.key_properties)
        unknown = sorted(
            name
            for name in self.schema.get("properties", {})
            if name not in HANDLED_ATTRIBUTES
            and not is_tag(name)
            and not name.startswith(("source_", "_sdc_"))
        )
        if unknown:
            self.logger.warning(
                "Not sent, as they are neither attributes of a member nor upper-case merge fields: %s.",
                ", ".join(unknown),
            )

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Leave the record as it is: what is wrong with it goes to the audit trail, and ends no run."""
        return record

    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Let a record without its key pass: it is recorded as one without an address."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Hand a record to the loader."""
        self._target.loader.take(self.stream_name, record)

    def clean_up(self) -> None:
        """Finish all writes at the end of the input, whether a state follows or not."""
        self._target.loader.flush()
        super().clean_up()
