"""The project for Dagster: one job per job of meltano.yml, one partition per tenant, limits by tags.

Tags come from the partition, so every run has them: of a schedule, of the sensor, of a backfill or by hand.
Where runs are executed is said by dagster.yaml alone.
"""

# Dagster reads the annotations of its functions: they are not postponed here.
import datetime as dt
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import requests
from processes import command, decisions_since, environment, meltano_jobs, run_program
from tenants import Tenant, TenantsError, read_tenants

ASSETS = {"forward": "members", "reverse": "contacts", "reconcile": "drift"}
"""Job → the asset of a tenant that its runs bring up to date."""

UNREAD = "mailchimp_webhooks_inbox_unread "
ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

# Longer in all than the five minutes in which Meltano takes a run of a lost machine for one at work.
RETRIES = dg.RetryPolicy(max_retries=3, delay=45, backoff=dg.Backoff.EXPONENTIAL)

TENANTS = read_tenants()
PARTITIONS = dg.StaticPartitionsDefinition(list(TENANTS))


def tags_of(tenant: Tenant, job: str) -> dict[str, str]:
    """The tags by which dagster.yaml limits runs; a job that calls no vendor waits for none."""
    vendors = {} if job == "alert" else {"epicor": tenant.epicor, "mailchimp": tenant.mailchimp}
    return {"tenant": tenant.id, "pipeline": f"{tenant.id}/{job}", **vendors}


def allowed_runs(instance: dg.DagsterInstance) -> dict[str, int]:
    """Vendor → runs that may be at work at once for one instance or account, from dagster.yaml.

    Raises:
        Failure: It has no such limit, so nothing would keep the vendor's own.
    """
    queue = instance.get_concurrency_config().run_queue_config
    limits = queue.tag_concurrency_limits if queue else []
    found = {limit["key"]: limit["limit"] for limit in limits if isinstance(limit.get("value"), dict)}
    if missing := {"epicor", "mailchimp", "pipeline"} - found.keys():
        raise dg.Failure(
            f"dagster.yaml has no limit per value of the tags {sorted(missing)}. Take "
            "`tag_concurrency_limits` of deploy/dagster over.",
            allow_retries=False,
        )
    return found


def run_for_tenant(context: dg.OpExecutionContext, job: str) -> None:
    """Run a job for the tenant of the partition, and record what it decided.

    Raises:
        Failure: It ended with a failure.
    """
    tenant = TENANTS[context.partition_key]
    start = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    try:
        variables = environment(tenant, allowed_runs(context.instance))
    except TenantsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    status, last_lines = run_program(command(job, tenant), variables)
    if asset := ASSETS.get(job):
        counts = decisions_since(start, variables)
        context.add_output_metadata(counts)
        if status == 0:
            audience = variables.get("MAILCHIMP_LIST_ID", "")
            context.log_event(
                dg.AssetMaterialization([tenant.id, asset], metadata={**counts, "audience": audience})
            )
    # `sync-audit alert` ends with 1 where it found something, and has told it.
    if status != 0 and not (job == "alert" and status == 1):
        raise dg.Failure(f"{job} of {tenant.id} ended with status {status}:\n{last_lines}")


def make_job(name: str) -> dg.JobDefinition:
    """The Dagster job of a job of meltano.yml, or `alert`."""

    @dg.op(name=f"run_{name}", retry_policy=RETRIES)
    def run(context: dg.OpExecutionContext) -> None:
        run_for_tenant(context, name)

    @dg.graph(name=name)
    def whole() -> None:
        run()

    return whole.to_job(
        executor_def=dg.in_process_executor,
        config=dg.PartitionedConfig(
            partitions_def=PARTITIONS,
            run_config_for_partition_key_fn=lambda _: {},
            tags_for_partition_key_fn=lambda key: tags_of(TENANTS[key], name),
        ),
    )


def idle(instance: dg.DagsterInstance, job: str, tenants: Sequence[Tenant]) -> Iterator[Tenant]:
    """Those of some tenants for whom no run of a job waits or is at work."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=ACTIVE))
    busy = {run.tags.get("tenant") for run in runs}
    return (tenant for tenant in tenants if tenant.id not in busy)


def make_schedule(job: dg.JobDefinition, cron: str, tenants: Sequence[Tenant]) -> dg.ScheduleDefinition:
    """The schedule of the tenants that share a job and its times.

    Args:
        job: The job.
        cron: When, in UTC.
        tenants: Those of them.
    """

    def due(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        for tenant in idle(context.instance, job.name, tenants):
            key = f"{tenant.id}/{job.name}/{context.scheduled_execution_time.isoformat()}"
            yield dg.RunRequest(run_key=key, partition_key=tenant.id)

    at = "_".join("".join(c if c.isalnum() else "x" for c in part) for part in cron.split())
    return dg.ScheduleDefinition(
        name=f"{job.name}_at_{at}",
        job=job,
        cron_schedule=cron,
        execution_fn=due,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def unread_events(tenant: Tenant) -> float:
    """Events in a tenant's inbox that no run has read; 0 where its receiver does not answer."""
    try:
        metrics = requests.get(f"{tenant.receiver_url}/metrics", timeout=5).text
    except requests.RequestException:
        return 0.0  # schedules and alerts are there for that
    return next((float(line.split()[1]) for line in metrics.splitlines() if line.startswith(UNREAD)), 0.0)


def make_inbox_sensor(reverse: dg.JobDefinition) -> dg.SensorDefinition:
    """The sensor that starts `reverse` for tenants with unread events."""

    @dg.sensor(
        job=reverse, minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING, name="inbox"
    )
    def inbox(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
        asked = [tenant for tenant in TENANTS.values() if tenant.receiver_url]
        with ThreadPoolExecutor(32) as pool:
            unread = zip(asked, pool.map(unread_events, asked), strict=True)
        waiting = [tenant for tenant, events in unread if events]
        for tenant in idle(context.instance, reverse.name, waiting):
            yield dg.RunRequest(partition_key=tenant.id)

    return inbox


def make_assets() -> Iterator[dg.AssetSpec]:
    """One asset per tenant and job, with the age that Dagster lets it have."""
    for tenant in TENANTS.values():
        for job, asset in ASSETS.items():
            hours = tenant.fresh_hours.get(job)
            policy = dg.FreshnessPolicy.time_window(dt.timedelta(hours=hours)) if hours else None
            yield dg.AssetSpec(
                [tenant.id, asset],
                group_name=asset,
                description=f"Kept up to date by `{job}`, with its counts from the audit trail.",
                kinds={"meltano"},
                metadata={"job": job, "epicor": tenant.epicor, "mailchimp": tenant.mailchimp},
                freshness_policy=policy,
            )


def make_definitions() -> dg.Definitions:
    """All of it."""
    jobs = {name: make_job(name) for name in [*meltano_jobs(), "alert"]}
    times: dict[tuple[str, str], list[Tenant]] = {}
    for tenant in TENANTS.values():
        for job, cron in tenant.schedules.items():
            if job not in jobs:
                raise TenantsError(
                    f"Tenant `{tenant.id}`: there is no job `{job}`. There are: {sorted(jobs)}."
                )
            times.setdefault((job, cron), []).append(tenant)
    return dg.Definitions(
        assets=list(make_assets()),
        jobs=list(jobs.values()),
        schedules=[make_schedule(jobs[job], cron, tenants) for (job, cron), tenants in times.items()],
        sensors=[make_inbox_sensor(jobs["reverse"])],
    )


defs = make_definitions()
