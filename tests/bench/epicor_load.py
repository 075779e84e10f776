"""What the benchmarks of tap-epicor-kinetic share: a simulator of its own process, and what is read of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulators.epicor.testing import EpicorControl

COMPANY = "EPIC06"
COLUMNS = (
    *("Company", "CustNum", "CustID", "Name", "Address1", "Address2", "City", "State", "Zip", "Country"),
    *("PhoneNum", "EMailAddress", "GroupCode", "TerritoryID", "CreditHold", "NoContact", "UpdatedOn"),
)
TAP = [sys.executable, "-m", "tap_epicor_kinetic"]
_CUSTOMERS: Mapping[str, Collection[str]] = {"customers": COLUMNS}
_SIMULATOR = [sys.executable, "-c", "from simulators.epicor.cli import main; main()", "--port", "0"]


@contextmanager
def simulator(customers: int) -> Iterator[Mapping[str, Any]]:
    """A simulated Kinetic in a process of its own: its greeting. Most of its customers are of COMPANY."""
    command = [*_SIMULATOR, "--customers", str(customers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        try:
            yield json.loads(one.stdout.readline())
        finally:
            one.terminate()


def control_of(hello: Mapping[str, Any]) -> EpicorControl:
    """The control API of a simulator."""
    return EpicorControl(hello["control_url"])


def set_latency(control: EpicorControl, seconds: float) -> None:
    """Let each answer take so long, beside what the simulator itself needs."""
    rules = [{"effect": {"kind": "latency", "seconds": seconds}}] if seconds else []
    control.faults(*rules)


def prepare(
    folder: Path,
    hello: Mapping[str, Any],
    select: Mapping[str, Collection[str]] = _CUSTOMERS,
    **settings: Any,
) -> list[str]:
    """Configuration and catalog of the tap, as arguments of the command.

    Args:
        folder: For both.
        hello: What the simulator told about itself.
        select: The columns by stream; those of nested rows as `OrderDtls.ProdCode`.
        settings: Of the tap.
    """
    known = {name: hello[name] for name in ("base_url", "api_key", "username", "password")}
    how = {"companies": [COMPANY], "customer_types": [], "inactive_customers": "flag", **settings}
    config = folder / "config.json"
    config.write_text(json.dumps({**known, **how}))
    shown = subprocess.run(
        [*TAP, "--config", str(config), "--discover"], capture_output=True, text=True, check=True
    )
    catalog = json.loads(shown.stdout)
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            columns, crumb = select.get(entry["tap_stream_id"]), item["breadcrumb"]
            is_chosen = ".".join(crumb[1::2]) in (columns or ()) if crumb else columns is not None
            item["metadata"]["selected"] = is_chosen
    (folder / "catalog.json").write_text(json.dumps(catalog))
    return ["--config", str(config), "--catalog", str(folder / "catalog.json")]


def last_state(out: Path) -> Any:
    """The value of the last STATE message in what the tap wrote."""
    with out.open("rb") as lines:
        found = [line for line in lines if line.startswith(b'{"type":"STATE"')]
    return json.loads(found[-1])["value"]
