"""For Dagster: a job for each of meltano.yml, a partition for each tenant, whose tags dagster.yaml limits."""

# Dagster reads the annotations of its functions: they are not postponed here.
import collections
import contextlib
import datetime as dt
import functools
import itertools
import json
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from subprocess import DEVNULL, PIPE, STDOUT, Popen

import dagster as dg
import requests
import yaml
from tenants import FILE, PROJECT, WORK, Tenant, TenantsError, read_tenants

PROGRAMS = PROJECT / ".venv" / "bin"
MELTANO = yaml.safe_load((PROJECT / "meltano.yml").read_text(encoding="utf-8"))
JOBS = [*(job["name"] for job in MELTANO["jobs"]), "alert"]
STREAMS = {"forward": ["members", "member_names"], "reverse": ["contact_updates"]}
STREAMS["reconcile"] = [*itertools.chain(*STREAMS.values())]
"""Job → streams that it brings up to date; further ones have an asset from their first decision on."""
Tick = dg.ScheduleEvaluationContext | dg.SensorEvaluationContext
UNREAD = re.compile(r"^mailchimp_webhooks_inbox_unread [1-9]", re.MULTILINE)
ACTIVE = [status for status in dg.DagsterRunStatus if status.value not in {"SUCCESS", "FAILURE", "CANCELED"}]
# A worker that is killed takes its run with it, or the run would go on beside its own retry.
DIE_WITH_PARENT = [path, "--pdeathsig", "TERM", "--"] if (path := shutil.which("setpriv")) else []
# Longer in all than the five minutes in which Meltano takes a run of a lost machine for one at work.
RETRIES = dg.RetryPolicy(max_retries=3, delay=45, backoff=dg.Backoff.EXPONENTIAL)
TENANTS = read_tenants()


def allowed_runs(instance: dg.DagsterInstance) -> dict[str, int]:
    """Tag → runs that may be at work at once for one value of it, from dagster.yaml."""
    queue = instance.get_concurrency_config().run_queue_config
    limits = queue.tag_concurrency_limits if queue else []
    found = {limit["key"]: limit["limit"] for limit in limits if isinstance(limit.get("value"), dict)}
    if missing := {"epicor", "mailchimp", "pipeline"} - found.keys():
        raise TenantsError(f"dagster.yaml has no limit per value of the tags {sorted(missing)}. Copy them.")
    return found


def borrow_plugins(tenant: str) -> None:
    """Show Meltano the plugins of the checkout in the folder that a tenant has for its catalogs and logs."""
    for kind, plugins in MELTANO["plugins"].items():
        for plugin in plugins:
            # Not the whole environment: Meltano clears the folder in which it installs.
            link = WORK / tenant / kind / plugin["name"] / "venv" / "bin"
            link.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                link.symlink_to(PROGRAMS)


def run_program(env: Mapping[str, str], name: str, *arguments: str) -> tuple[int, str]:
    """Run a program, with files for nobody else, and print what it prints: its status, and last lines."""
    last: collections.deque[str] = collections.deque(maxlen=15)
    args = [*DIE_WITH_PARENT, str(PROGRAMS / name), *arguments]
    with Popen(
        args, cwd=PROJECT, env=env, umask=0o077, errors="replace", stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    ) as process:
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                last.append(line)
        except BaseException:
            process.terminate()  # a run that is stopped ends after what it has in hand
            raise
    return process.returncode, "".join(last)


def count_decisions(variables: Mapping[str, str], attempt: str) -> dict[str, dict[str, int]]:
    """Stream → action → decisions of an attempt, from the audit trail."""
    _, printed = run_program(variables, "sync-audit", "runs", "--correlation", attempt, "--format", "json")
    found: dict[str, dict[str, int]] = collections.defaultdict(dict)
    for run in (json.loads(line) for line in printed.splitlines() if line.startswith("{")):
        dry = " (dry run)" if run["dry_run"] and run["pipeline"] != "reconcile" else ""
        for stream, actions in run["streams"].items():
            found[stream] |= {f"{action}{dry}": count for action, count in actions.items()}
    return found


def run_for_tenant(context: dg.OpExecutionContext, job: str) -> None:
    """Run a job for the tenant of the partition, and record what it decided."""
    # The id of an attempt is that of Meltano's run, and the correlation of its runs in the audit trail.
    attempt = str(uuid.uuid5(uuid.UUID(context.run_id), str(context.retry_number)))
    try:
        tenant = TENANTS[context.partition_key]
        variables = tenant.variables(allowed_runs(context.instance)) | {"MELTANO_RUN_ID": attempt}
    except KeyError as error:
        raise dg.Failure(f"{FILE} has no tenant {error} any longer.", allow_retries=False) from error
    except TenantsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    borrow_plugins(tenant.id)
    meltano = ["meltano", "run", "--no-install", "--state-id-suffix", tenant.id, job]
    status, last_lines = run_program(variables, *(["sync-audit", "alert"] if job == "alert" else meltano))
    counts = count_decisions(variables, attempt) if job != "alert" else {}
    about = {"audience": variables.get("MAILCHIMP_LIST_ID", ""), "correlation": attempt}
    # `sync-audit alert` ends with 1 where it found something, and has told it.
    if status != 0 and (job, status) != ("alert", 1):
        said = f"{job} of {tenant.id} ended with status {status}:\n{last_lines}"
        raise dg.Failure(said, metadata={**about, "decisions": counts})
    for stream in counts.keys() | STREAMS.get(job, ()):
        metadata: dict[str, int | str] = {**counts.get(stream, {}), **about}
        context.log_event(dg.AssetMaterialization(asset_key(tenant, job, stream), metadata=metadata))


def asset_key(tenant: Tenant, job: str, stream: str) -> list[str]:
    """The asset of a stream and an audience, which is a tenant's; below it, what comparisons found."""
    return [tenant.id, stream, *(["drift"] if job == "reconcile" else [])]


def named(*parts: str) -> str:
    """A name as Dagster takes it, of letters, digits and underscores."""
    words = {"*": "x", "/": "by", ",": "and", "+": "plus"}
    return re.sub(r"\W", lambda sign: words.get(sign[0], "_"), "_".join(parts))


def make_job(job: str) -> dg.JobDefinition:
    """The Dagster job of a job of meltano.yml, or of `alert`, which calls no vendor and waits for none."""

    def tags(key: str) -> dict[str, str]:
        vendors = {"epicor": TENANTS[key].epicor, "mailchimp": TENANTS[key].mailchimp}
        return {"tenant": key, "pipeline": f"{key}/{job}", **(vendors if job != "alert" else {})}

    @dg.op(name=named("run", job), retry_policy=RETRIES)
    def run(context: dg.OpExecutionContext) -> None:
        run_for_tenant(context, job)

    config = dg.static_partitioned_config([*TENANTS], tags_for_partition_key_fn=tags)(lambda _: {})
    graph = dg.GraphDefinition(named(job), node_defs=[run])
    return graph.to_job(config=config, executor_def=dg.in_process_executor)


def due(job: str, tenants: Iterable[Tenant], context: Tick) -> Iterator[dg.RunRequest]:
    """Runs of a job for those of some tenants for whom none waits or is at work; for a tick, each once."""
    at_work = dg.RunsFilter(job_name=named(job), statuses=ACTIVE)
    busy = {run.tags.get("tenant") for run in context.instance.get_runs(at_work)}
    tick = isinstance(context, dg.ScheduleEvaluationContext) and context.scheduled_execution_time.isoformat()
    for tenant in (tenant for tenant in tenants if tenant.id not in busy):
        yield dg.RunRequest(f"{tenant.id}/{job}/{tick}" if tick else None, partition_key=tenant.id)


def make_schedules() -> Iterator[dg.ScheduleDefinition]:
    """One schedule for all tenants that share a job and its times."""
    times: dict[tuple[str, str, str], list[Tenant]] = collections.defaultdict(list)
    for tenant in TENANTS.values():
        if unknown := {*tenant.schedules, *tenant.fresh_hours} - {*JOBS}:
            raise TenantsError(f"{FILE}: tenant `{tenant.id}`: {sorted(unknown)} are not jobs. Jobs: {JOBS}.")
        for job, cron in tenant.schedules.items():
            times[job, cron, tenant.timezone].append(tenant)
    for (job, cron, timezone), tenants in times.items():
        try:
            yield dg.ScheduleDefinition(
                name=named(job, "at", *cron.split(), timezone),
                job_name=named(job),
                cron_schedule=cron,
                execution_timezone=timezone,
                execution_fn=functools.partial(due, job, tenants),
                default_status=dg.DefaultScheduleStatus.RUNNING,
            )
        except dg.DagsterInvalidDefinitionError as error:
            raise TenantsError(f"{FILE}: tenant `{tenants[0].id}`: schedules.{job}: {error}") from error


def has_events(tenant: Tenant) -> bool:
    """Ask a tenant's receiver for events that no run has read; none where it does not answer."""
    try:
        return bool(UNREAD.search(requests.get(f"{tenant.receiver_url}/metrics", timeout=5).text))
    except requests.RequestException:
        return False  # schedules and alerts are there for that


def just_failed(instance: dg.DagsterInstance) -> set[str]:
    """Tenants whose last `reverse` failed within ten minutes: another one at once would fail likewise."""
    since = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=10)
    last: dict[str, dg.DagsterRunStatus] = {}
    for run in instance.get_runs(dg.RunsFilter(job_name="reverse", updated_after=since)):  # newest first
        last.setdefault(run.tags.get("tenant", ""), run.status)
    return {tenant for tenant, status in last.items() if status is dg.DagsterRunStatus.FAILURE}


@dg.sensor(job_name="reverse", minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def inbox(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
    """Start `reverse` for tenants with unread events."""
    left = just_failed(context.instance)
    asked = [tenant for tenant in TENANTS.values() if tenant.receiver_url and tenant.id not in left]
    with ThreadPoolExecutor(32) as pool:
        waiting = itertools.compress(asked, pool.map(has_events, asked))
    yield from due("reverse", waiting, context)


def make_assets() -> Iterator[dg.AssetSpec]:
    """The assets of each tenant, with the age that Dagster lets them have."""
    for tenant, job in itertools.product(TENANTS.values(), STREAMS):
        hours = tenant.fresh_hours.get(job)
        policy = dg.FreshnessPolicy.time_window(dt.timedelta(hours=hours)) if hours else None
        for stream in STREAMS[job]:
            yield dg.AssetSpec(asset_key(tenant, job, stream), group_name=job, freshness_policy=policy)


defs = dg.Definitions(
    assets=[*make_assets()], jobs=[*map(make_job, JOBS)], schedules=[*make_schedules()], sensors=[inbox]
)
