"""A target for the tests of DurableTarget: it writes each batch to a file, slowly if asked to."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.singer.durable_target import DurableTarget, RunStatus
from kinetic_mailchimp.kit.singer.plugin import run_plugin
from singer_sdk import BatchSink
from singer_sdk import typing as th


class FileSink(BatchSink):
    MAX_SIZE_DEFAULT = 5

    def __init__(self, target: TargetFile, *arguments: Any, **named: Any) -> None:
        super().__init__(target, *arguments, **named)
        self.target = target

    def process_batch(self, context: dict[str, Any]) -> None:
        if self.config.get("refuse"):
            raise ConfigurationError("Refused.", advice="Unset `refuse`.")
        if self.config.get("pause"):
            Path(self.config["file"]).with_suffix(".begun").touch()
            self.target.pause(self.config["pause"])
        file = Path(self.config["file"])
        file.with_suffix(".begun").touch()
        until = time.monotonic() + self.config.get("seconds", 0)
        while time.monotonic() < until:
            time.sleep(0.01)
        with file.open("a") as written:
            written.writelines(f"{record['id']}\n" for record in context["records"])
            written.flush()
            os.fsync(written.fileno())


class TargetFile(DurableTarget):
    name = "target-file"
    default_sink_class = FileSink
    config_jsonschema = th.PropertiesList(
        th.Property("file", th.StringType, required=True),
        th.Property("seconds", th.NumberType),
        th.Property("pause", th.NumberType),
        th.Property("refuse", th.BooleanType),
        th.Property("password", th.StringType, secret=True),
    ).to_dict()

    def end_run(self, status: RunStatus, error: Exception | None = None) -> None:
        with Path(self.config["file"]).with_suffix(".ended").open("a") as ended:
            ended.write(f"{status} {type(error).__name__}\n")

    def check_connection(self) -> Iterator[str]:
        yield "The file can be written."
        if self.config.get("refuse"):
            raise ConfigurationError("Refused.", advice="Unset `refuse`.")


if __name__ == "__main__":
    if "--eager" in sys.argv:
        sys.argv.remove("--eager")
        TargetFile.state_interval = 0.0
    run_plugin(TargetFile)
