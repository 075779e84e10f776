"""Makes the tables of docs/reference from the code."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

import click
import references
import yaml
from kinetic_mailchimp.audit.reading.reports.metrics import METRICS
from kinetic_mailchimp.audit.storage.views import VIEWS
from kinetic_mailchimp.audit.trail import decision, drift
from kinetic_mailchimp.kit import errors
from plugin_definitions import PLUGINS, ROOT, about, one_line, settings_of
from tap_epicor_kinetic.catalog.declarations import STREAMS
from tap_mailchimp_webhooks.receiver.metrics import ReceiverMetrics
from tap_mailchimp_webhooks.streams.campaign_events import CampaignEventsStream
from tap_mailchimp_webhooks.streams.campaign_results import CampaignResultsStream
from tap_mailchimp_webhooks.streams.contact_events import ContactEventsStream
from tap_mailchimp_webhooks.streams.opt_outs import OptOutsStream
from tap_mailchimp_webhooks.streams.webhooks import WebhooksStream


def tables() -> dict[str, dict[str, str]]:
    """By page of docs/reference and name of its markers: what stands between them."""
    return {
        "settings": {"settings": settings()},
        "commands": {"commands": commands()},
        "streams": {"streams": streams(), "event streams": event_streams()},
        "decisions": {"decisions": decisions(), "differences": differences()},
        "errors": {"classes": error_classes()},
        "metrics": {"metrics": metrics(), "trail": trail_metrics()},
        "views": {"views": views()},
    }


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows as a Markdown table."""
    lines = [head, [":--"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def settings() -> str:
    """Every setting of every plugin, those of the same name and meaning once."""
    variables = _variables()
    found: dict[tuple[str, str], list[str]] = {}
    rows: dict[tuple[str, str], list[str]] = {}
    for plugin in PLUGINS:
        for name, one in settings_of(about(plugin.name)).items():
            key = (name, one_line(one.get("description")))
            found.setdefault(key, []).append(plugin.name)
            default = f"`{json.dumps(one['default'])}`" if one.get("default") is not None else ""
            variable = variables.get((plugin.name, name), "")
            allowed = ", ".join(f"`{value}`" for value in one.get("enum", ()) if value is not None)
            text = (
                key[1]
                + (f" One of {allowed}." if allowed else "")
                + (" Secret." if one.get("secret") else "")
            )
            rows[key] = [f"`{name}`", "", f"`{variable}`" if variable else "", default, text]
    for key, plugins in found.items():
        rows[key][1] = "<br>".join(f"[{name}](../../{name}/README.md#settings)" for name in plugins)
    head = ("Setting", "Plugin", "Variable", "Default", "Description")
    return table(head, (rows[key] for key in sorted(rows)))


def _variables() -> dict[tuple[str, str], str]:
    """The variable of .env that meltano.yml gives a setting, by plugin and setting."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    return {
        (plugin["name"], setting): value[1:]
        for kind in ("extractors", "loaders")
        for plugin in project["plugins"][kind]
        for setting, value in plugin.get("config", {}).items()
        if isinstance(value, str) and value.startswith("$")
    }


def commands() -> str:
    """Every command with its options."""
    parts: list[str] = []
    for program in references.OWN:
        command = references.command_of(program)
        parts.append(_described(f"## {program}", program, command))
        for name, below in references.subcommands(program).items():
            parts.append(_described(f"### {program} {name}", f"{program} {name}", below))
            if isinstance(below, click.Group):
                for inner, lowest in below.commands.items():
                    whole = f"{program} {name} {inner}"
                    parts.append(_described(f"#### {whole}", whole, lowest))
    return "\n\n".join(parts)


def _described(heading: str, name: str, command: click.Command) -> str:
    arguments = [
        one.make_metavar(click.Context(command)) for one in command.params if isinstance(one, click.Argument)
    ]
    usage = f"`{' '.join([name, *arguments])}`\n\n" if arguments else ""
    return f"{heading}\n\n{usage}{_help(command)}\n\n{_options(command)}".rstrip()


def _help(command: click.Command) -> str:
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))
    return "\n\n".join(one_line(text) for text in paragraphs)


def _options(command: click.Command) -> str:
    rows = []
    for one in command.params:
        if not isinstance(one, click.Option) or one.hidden or one.name in {"help", "version"}:
            continue
        name = ", ".join(f"`{text}`" for text in (*one.opts, *one.secondary_opts))
        variable = ([one.envvar] if isinstance(one.envvar, str) else list(one.envvar or ()))[:1]
        is_shown = isinstance(one.default, str | int | float) and not isinstance(one.default, bool)
        default = f"`{one.default}`" if is_shown and one.default != "" else ""
        # With a placeholder in their place, the help names them.
        choices = (
            f" One of {', '.join(f'`{c}`' for c in one.type.choices)}."
            if isinstance(one.type, click.Choice) and not one.metavar
            else ""
        )
        needed = " Required." if one.required else ""
        rows.append(
            (
                name,
                f"`{variable[0]}`" if variable else "",
                default,
                f"{one_line(one.help)}{choices}{needed}".strip(),
            )
        )
    return table(("Option", "Variable", "Default", ""), rows) if rows else ""


def streams() -> str:
    """The streams of tap-epicor-kinetic."""
    epicor = (
        (
            f"`{one.name}`",
            f"`{one.path}`",
            ", ".join(f"`{column}`" for column in one.key),
            f"`{one.change_column}`" if one.change_column else "",
        )
        for one in STREAMS
    )
    return table(("Stream", "Service and set", "Key", "Compared with `start_date`"), epicor)


def event_streams() -> str:
    """The streams of tap-mailchimp-webhooks, each with its properties."""
    parts: list[str] = []
    for stream in (
        ContactEventsStream,
        CampaignEventsStream,
        CampaignResultsStream,
        OptOutsStream,
        WebhooksStream,
    ):
        properties: Mapping[str, Any] = stream.schema["properties"]
        rows = (
            (f"`{name}`", _type(one), one_line(one.get("description"))) for name, one in properties.items()
        )
        key = ", ".join(f"`{name}`" for name in stream.primary_keys)
        title = (
            f"### {stream.name}\n\n{inspect.cleandoc(stream.__doc__ or '').partition(chr(10))[0]} Key: {key}."
        )
        parts.append(f"{title}\n\n{table(('Property', 'Type', ''), rows)}\n")
    return "\n".join(parts)


def _type(one: Mapping[str, Any]) -> str:
    kinds = one.get("type", "")
    kind = next((kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"), "")
    allowed = [f"`{value}`" for value in one.get("enum", ()) if value is not None]
    return ", ".join(allowed) or ("timestamp" if one.get("format") == "date-time" else kind)


def decisions() -> str:
    """Actions of decisions."""
    actions = (
        (
            f"`{decision.Action[name].value}`",
            text.removesuffix(" A failure.").replace("this package", "`sync-audit`"),
            "yes" if decision.Action[name].is_failure else "",
        )
        for name, text in _documented(decision, "Action")
    )
    return table(("Action", "Meaning", "Failure"), actions)


def differences() -> str:
    """The kinds of differences that a comparison finds."""
    return table(("Reason", "Meaning"), ((f"`{kind.value}`", kind.sentence) for kind in drift.Drift))


def _documented(module: ModuleType, name: str) -> list[tuple[str, str]]:
    """The values of an enumeration, each with the text below it."""
    (body,) = (
        node.body
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    return [
        (str(one.targets[0].id), one_line(text.value.value))
        for one, text in itertools.pairwise(body)
        if isinstance(one, ast.Assign)
        and isinstance(one.targets[0], ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    ]


FOLLOWS = {
    errors.ConfigurationError: "The run ends at once, its state unmoved. Correct the setting that it names.",
    errors.CredentialsError: "Credentials are renewed once where they can be; then as above.",
    errors.PermissionDeniedError: "The run ends at once. Widen the scope, role or licence that it names.",
    errors.TransientError: "Tried again with growing pauses; then the run ends, and the next one goes on.",
    errors.UnreachableError: "As above; a check of the connection asks once.",
    errors.AmbiguousWriteError: "The target looks if it happened before it writes again.",
    errors.DataError: "The record is kept as a dead letter, or skipped; the run goes on.",
    errors.NotFoundError: "The other rows are written; without any, the record is `unmatched`.",
}
"""What happens after an error of each class."""


def error_classes() -> str:
    """Classes of errors by recovery."""
    rows = (
        (f"`{kind.__name__}`", f"`{kind.__bases__[0].__name__}`", one_line(inspect.getdoc(kind)), follows)
        for kind, follows in FOLLOWS.items()
    )
    return table(("Class", "Kind of", "Meaning", "What follows"), rows)


def trail_metrics() -> str:
    """The numbers of the trail for Prometheus."""
    rows = (
        (f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels), one.about)
        for one in METRICS
    )
    return table(("Metric", "Type", "Labels", ""), rows)


def views() -> str:
    """The views for reports of others, each with its columns."""
    return "\n\n".join(
        f"### {view.name}\n\n{view.about}\n\n{', '.join(f'`{name}`' for name in view.columns)}"
        for view in VIEWS
    )


def metrics() -> str:
    """What the receiver counts for Prometheus."""
    registry: Any = ReceiverMetrics()._registry
    rows = (
        (
            f"`{family.name}{'_total' if family.type == 'counter' else ''}`",
            family.type,
            ", ".join(f"`{label}`" for label in collector._labelnames),
            family.documentation,
        )
        for collector in registry._collector_to_names
        for family in collector.describe()
    )
    return table(("Metric", "Type", "Labels", ""), rows)
