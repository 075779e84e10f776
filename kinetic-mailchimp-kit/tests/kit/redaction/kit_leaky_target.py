"""A target for the tests of masking: it shows its secrets in every way in which a program can."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from kinetic_mailchimp.kit.singer.durable_target import DurableTarget
from kinetic_mailchimp.kit.singer.plugin import run_plugin
from singer_sdk import BatchSink
from singer_sdk import typing as th


def fail(text: str) -> None:
    try:
        dict[str, int]()[text]
    except KeyError as error:
        raise ValueError(f"refused: {text!r}") from error


def fail_in_a_thread(text: str) -> None:
    thread = threading.Thread(target=fail, args=(text,))
    thread.start()
    thread.join()


def log_an_exception(text: str) -> None:
    try:
        fail(text)
    except ValueError:
        logging.getLogger("a.library").exception("failed with %s", text)


LEAKS: dict[str, Callable[[str], Any]] = {
    "log": lambda text: logging.getLogger("a.library").debug("url ?key=%s", quote(text, safe="")),
    "extra": lambda text: logging.getLogger("a.library").info("sent", extra={"sent": {"key": text}}),
    "exception": log_an_exception,
    "warning": lambda text: warnings.warn(text, UserWarning, stacklevel=1),
    "stderr": lambda text: sys.stderr.writelines([f"Basic {b64encode(f'user:{text}'.encode()).decode()}\n"]),
    "wrong arguments": lambda text: logging.getLogger("a.library").warning("%d of them", text),
    "thread": fail_in_a_thread,
    "uncaught": fail,
}


class LeakySink(BatchSink):
    def process_batch(self, context: dict[str, Any]) -> None:
        config = self.config
        secrets = [
            config["password"],
            config["login"]["token"],
            config["database_url"],
            *config["headers"].values(),
        ]
        for text in secrets:
            LEAKS[config["leak"]](text)


class TargetLeaky(DurableTarget):
    name = "target-leaky"
    default_sink_class = LeakySink
    config_jsonschema = th.PropertiesList(
        th.Property("leak", th.StringType),
        th.Property("password", th.StringType(min_length=12), secret=True),
        th.Property("login", th.ObjectType(th.Property("token", th.StringType(min_length=12), secret=True))),
        th.Property("headers", th.ObjectType(additional_properties=th.StringType), secret=True),
        th.Property("database_url", th.StringType, secret=True),
    ).to_dict()

    def check_connection(self) -> Iterator[str]:
        yield "Nothing to check."


if __name__ == "__main__":
    run_plugin(TargetLeaky)
