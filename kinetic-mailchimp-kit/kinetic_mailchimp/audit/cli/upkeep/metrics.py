"""The command `sync-audit metrics`: the numbers of the trail, for Prometheus."""

from __future__ import annotations

import sys

import click

from kinetic_mailchimp.audit.cli.common import opened
from kinetic_mailchimp.audit.reading.reports.metrics import metric_lines


@click.command()
@click.pass_context
def metrics(ctx: click.Context) -> None:
    """Print the numbers of the trail for Prometheus.

    Its node exporter takes them from a text file.
    """
    with opened(ctx) as trail:
        sys.stdout.writelines(metric_lines(trail))
