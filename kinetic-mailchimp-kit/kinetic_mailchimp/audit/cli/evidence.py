"""The command `sync-audit evidence`: a person's consent as a document, and the check of one."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click

from kinetic_mailchimp.audit.cli.common import open_output, open_trail, output_option
from kinetic_mailchimp.audit.reading.evidence import check as check_facts
from kinetic_mailchimp.audit.reading.evidence import gather
from kinetic_mailchimp.audit.reading.formatting import count_of
from kinetic_mailchimp.audit.reading.reports.evidence_document import read_facts, write_document


@click.command()
@click.argument("email", required=False)
@output_option
@click.option(
    "--check", "document", type=click.File(encoding="utf-8"), metavar="FILE", help="Check a document instead."
)
@click.pass_context
def evidence(ctx: click.Context, email: str | None, output: Path, document: TextIO | None) -> None:
    """Write the consent of EMAIL as a document with its proof, or check one.

    The document is one page of HTML with what the trail holds. With --check, one is compared with the trail.
    Exit status: 0 as it was; 1 the document or an entry of the trail was changed.
    """
    if (email is None) == (document is None):
        raise click.UsageError("Give an address, or --check FILE.")
    with open_trail(ctx) as trail:
        if document is not None:
            checks = check_facts(trail, read_facts(document.read()))
            for one in checks:
                click.echo(f"{one.place}: {one.what}")
            ctx.exit(0 if all(one.is_good for one in checks) else 1)
        found = gather(trail, trail.person(email or ""))
        with open_output(output) as file:
            file.write(write_document(found, email, trail.clock()))
    click.echo(f"{count_of(len(found.proofs), 'digest')}; anchor {found.anchor}", err=True)
    flawed = [proof.entry for proof in found.proofs if proof.flaw]
    for entry in flawed:
        click.echo(f"Run {entry.run_id} entry {entry.seq} was changed in the trail.", err=True)
    ctx.exit(1 if flawed else 0)
