"""What deploy/ has for containers, Kubernetes and Prometheus, against the schemas and tools of those."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import capacity
import pytest
import sqlalchemy as sa
import yaml
from kinetic_mailchimp.audit import Action, AuditTrail, Decision
from kinetic_mailchimp.audit.reading.reports.metrics import metric_lines
from servers import postgres
from stage import ROOT
from tap_mailchimp_webhooks.inbox.readers import Unread
from tap_mailchimp_webhooks.receiver.metrics import ReceiverMetrics

DEPLOY = ROOT / "deploy"
MANIFESTS = ROOT / ".venv" / "manifests" / "bin"
KUBERNETES = DEPLOY / "kubernetes"
METRIC = re.compile(r"\b(?:mailchimp_webhooks|sync_audit)_[a-z_]+")
VIEWS_PAGE = ROOT / "docs" / "reference" / "views.md"
BEGIN = "'2020-01-01T00:00:00Z'"
"""The beginning of what a dashboard shows, as Grafana writes it into a query."""


def run(*command: str | Path, **options: Any) -> str:
    ended: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, check=False, **options
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    printed: str = ended.stdout
    return printed


def documents(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every object of a kustomization and of those that it is built from."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    for name in kustomization["resources"]:
        place = (folder / name).resolve()
        if place.is_dir():
            yield from documents(place)
        else:
            yield from ((place, document) for document in yaml.safe_load_all(place.read_text()))
    for generator in kustomization.get("configMapGenerator", []):
        files = {name: (folder / name).read_text() for name in generator.get("files", [])}
        literals = dict(literal.split("=", 1) for literal in generator.get("literals", []))
        metadata = {"name": generator["name"]}
        yield (
            folder / "kustomization.yaml",
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files | literals},
        )


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    return [document for _, document in documents(KUBERNETES / "overlays" / "example")]


def pods(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (item["spec"]["template"]["spec"] for item in objects if item["kind"] == "Deployment")


def test_the_containerfile_has_no_finding():
    run(MANIFESTS / "hadolint", DEPLOY / "containers" / "Containerfile")


def test_what_is_installed_into_a_read_only_image_is_compiled_there():
    for name in ("Containerfile", "install"):
        text = (DEPLOY / "containers" / name).read_text().replace("\\\n", " ")
        installs = [line for line in text.splitlines() if re.search(r"pip (install|sync)\b", line)]
        assert installs
        assert all("--compile-bytecode" in line for line in installs)


def test_every_image_is_pinned_by_a_digest_and_runs_as_nobody():
    text = (DEPLOY / "containers" / "Containerfile").read_text()
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE)
    foreign = {base for base, _ in stages} - {stage for _, stage in stages}
    assert foreign == {"${PYTHON_IMAGE}"}
    assert "\nARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm@${PYTHON_DIGEST}\n" in text
    for image in ("receiver", "pages", "runner"):
        block = text.split(f"FROM base AS {image}\n")[1].split("\nFROM ")[0]
        assert "USER 65532:65532" in block
        assert "HEALTHCHECK" in block
    # Meltano writes into the home of a user: compose and Kubernetes give it nothing else that it may write.
    assert re.search(r"^ENV PATH=(.*\\\n)*.*\bHOME=/tmp$", text, re.MULTILINE)
    compose = (DEPLOY / "compose.yaml").read_text()
    assert "tmpfs: [/tmp, " in compose
    images = re.findall(r'image: "(docker\.io\S+)', compose)
    assert images
    assert all(re.search(r"@\$\{[A-Z]+_DIGEST:\?", image) for image in images)


def check_compose(document: dict[str, Any], folder: Path) -> None:
    """Hold a compose file to its schema; not by the models of the package, which ignore unknown keys."""
    (folder / "compose.json").write_text(json.dumps(document))
    check = "import sys, compose_spec as c; c.PyCompose.from_json(open(sys.argv[1]).read()).validate()"
    run(MANIFESTS / "python", "-W", "error", "-c", check, folder / "compose.json")


def test_a_key_that_compose_does_not_know_is_found(tmp_path):
    with pytest.raises(AssertionError, match="readonly"):
        check_compose({"services": {"receiver": {"image": "image", "readonly": True}}}, tmp_path)


def test_the_compose_file_fits_its_schema_and_names_files_that_are_there(tmp_path):
    given = (DEPLOY / "compose.yaml").read_text()
    # The tool takes no tag beside a digest; the tag is there for who reads it.
    given = re.sub(r"(:[\w.-]+)?@\$\{[A-Z_]+DIGEST:\?[^}]*\}", f"@sha256:{'0' * 64}", given)
    given = re.sub(r"\$\{[A-Z_]+DIGEST:\?[^}]*\}", "x", given)
    given = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", given)
    given = re.sub(r"\$\{[A-Z_]+:\?[^}]*\}", "x", given)
    document = yaml.safe_load(given)
    check_compose(document, tmp_path)
    for service in document["services"].values():
        for secret in service.get("secrets", []):
            assert secret in document["secrets"]
        for place in (str(volume).split(":")[0] for volume in service.get("volumes", [])):
            yours = place.endswith("/tenants.yaml")  # copied from the example
            assert yours or place in document["volumes"] or (DEPLOY / place).exists(), place


def test_the_kubernetes_objects_fit_their_schemas(objects, tmp_path):
    files = [tmp_path / f"{number}.yaml" for number in range(len(objects))]
    for file, document in zip(files, objects, strict=True):
        file.write_text(yaml.safe_dump(document))
    run(MANIFESTS / "kubernetes-validate", "--strict", "-k", "1.33", *files)


def test_every_name_in_the_kubernetes_objects_leads_somewhere(objects):
    there = {(item["kind"], item["metadata"]["name"]) for item in objects}
    secrets = {"dagster-postgres", "tenant-secrets", "receiver", "hooks-tls"}
    text = json.dumps(objects)
    for name in re.findall(r'"secretRef": \{"name": "([^"]+)"', text):
        assert name in secrets
    for name in re.findall(r'"configMap(?:KeyRef)?": \{"name": "([^"]+)"', text):
        assert ("ConfigMap", name) in there
    for name in re.findall(r'"serviceAccountName": "([^"]+)"', text):
        assert ("ServiceAccount", name) in there
    images = yaml.safe_load((KUBERNETES / "overlays/example/kustomization.yaml").read_text())["images"]
    used = {container["image"] for pod in pods(objects) for container in pod["containers"]}
    assert used == {image["name"] for image in images}
    assert all(image["digest"].startswith("sha256:") for image in images)


def test_the_launcher_of_runs_names_what_kustomize_builds():
    kubectl = shutil.which("kubectl") or pytest.skip("kubectl is not there")
    printed = run(kubectl, "kustomize", KUBERNETES / "overlays" / "example")
    objects = {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(printed)}
    instance = yaml.safe_load(objects["ConfigMap", "dagster-instance"]["data"]["dagster.yaml"])
    launcher = instance["run_launcher"]["config"]
    volumes = launcher["run_k8s_config"]["pod_spec_config"]["volumes"]
    named = {launcher["instance_config_map"], *launcher["env_config_maps"]}
    named |= {volume["config_map"]["name"] for volume in volumes if "config_map" in volume}
    assert {("ConfigMap", name) for name in named} <= objects.keys()
    assert ("ServiceAccount", launcher["service_account_name"]) in objects
    # A run loads this file, too, with the environment that the launcher gives it.
    given = objects["ConfigMap", "dagster-environment"]["data"].keys() | {"DAGSTER_POSTGRES_URL"}
    assert set(re.findall(r"env: (\w+)", yaml.safe_dump(instance))) <= given


def test_runs_and_the_sensor_reach_a_receiver(objects):
    """Kubernetes' launcher labels its pods `app.kubernetes.io/name: dagster`."""
    (policy,) = (
        o["spec"] for o in objects if (o["kind"], o["metadata"]["name"]) == ("NetworkPolicy", "receiver")
    )
    let_in = [each["podSelector"]["matchExpressions"][0] for each in policy["ingress"][0]["from"][2:]]
    assert {"dagster", "dagster-daemon"} <= set(let_in[0]["values"])


def test_every_pod_fits_the_restricted_standard_and_is_probed(objects):
    for pod in pods(objects):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "livenessProbe" in container
            assert "memory" in container["resources"]["limits"]


def test_nothing_is_reached_that_no_policy_names(objects):
    policies = [item["spec"] for item in objects if item["kind"] == "NetworkPolicy"]
    default = [spec for spec in policies if spec["podSelector"] == {} and "ingress" not in spec]
    assert any(set(spec["policyTypes"]) == {"Ingress", "Egress"} and "egress" not in spec for spec in default)


def test_the_overlay_has_the_tenants_of_the_example():
    example = DEPLOY / "dagster" / "tenants.example.yaml"
    assert (KUBERNETES / "overlays/example/tenants.yaml").read_text() == example.read_text()


def promtool() -> str:
    return shutil.which("promtool") or pytest.skip("promtool is not there: apt-get install prometheus")


@pytest.fixture(scope="module")
def exposed(tmp_path_factory) -> set[str]:
    """The metrics that a receiver and `sync-audit metrics` expose."""
    url = f"sqlite:///{tmp_path_factory.mktemp('exposed') / 'audit.sqlite3'}"
    with AuditTrail.open(url) as trail:
        text = "".join(metric_lines(trail)) + ReceiverMetrics().page(Unread(0, 0.0)).decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    parts = {
        f"{name}_{part}"
        for name in kinds
        if kinds[name] == "histogram"
        for part in ("bucket", "count", "sum")
    }
    return kinds.keys() | parts


@pytest.mark.parametrize("file", ["prometheus/rules.yaml", "grafana/dashboard.json"])
def test_rules_and_dashboard_name_metrics_that_the_processes_expose(file, exposed):
    used = set(METRIC.findall((DEPLOY / file).read_text()))
    assert used
    assert used <= exposed


def test_every_expression_of_the_dashboard_is_valid(tmp_path):
    panels = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"] if "expr" in target]
    assert asked
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run(promtool(), "check", "rules", file)


def test_the_dashboard_shows_a_reader_of_the_views_what_the_trail_has():
    """Through the views that docs/reference/views.md grants, on a server with another time zone."""
    panels = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]
    queries = {p["title"]: target["rawSql"] for p in panels for target in p["targets"] if "rawSql" in target}
    shown = {}
    with postgres() as new_database:
        url = new_database("audit")
        record_failures(url)
        engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            (granted,) = re.findall(r"^GRANT SELECT .*;$", VIEWS_PAGE.read_text(), re.MULTILINE)
            for statement in (
                "CREATE ROLE reports",
                granted,
                "SET ROLE reports",
                "SET TIME ZONE 'Asia/Tokyo'",
            ):
                connection.exec_driver_sql(statement)
            hours = connection.exec_driver_sql("SELECT DISTINCT hour FROM report_counts").scalars()
            for title, query in queries.items():
                asked = re.sub(
                    r"\$__timeFilter\((.*?::timestamptz)\)", rf"\1 BETWEEN {BEGIN} AND now()", query
                )
                found = connection.exec_driver_sql(asked.replace("$__timeFrom()", BEGIN))
                shown[title] = [tuple(row) for row in found]
        engine.dispose()
    points = [(dt.datetime.fromisoformat(f"{hour}:00Z"), "target-mailchimp", 1) for hour in hours]
    assert shown.pop("Runs that did not succeed")[0][1] == "target-mailchimp"
    assert shown == {"Failures": points, "Drift": points, "Records that a 429 decided": points}


def record_failures(url: str) -> None:
    """Record a run with a failure for a 429 and a difference, which failed."""
    with AuditTrail.open(url) as trail:
        run = trail.start_run(plugin="target-mailchimp", version="1", pipeline="prod:tap-epicor-kinetic")
        failed = {"action": Action.FAILED, "reason": "too_many_requests", "http_status": 429}
        drifted = {"action": Action.DRIFTED, "reason": "fields_differ"}
        run.read(2)
        run.record(
            [Decision(stream="members", subject="ada@example.com", **kind) for kind in (failed, drifted)]
        )
        run.finish("failed")


def test_the_rules_fire_when_they_should():
    run(promtool(), "check", "rules", DEPLOY / "prometheus" / "rules.yaml")
    run(promtool(), "test", "rules", DEPLOY / "prometheus" / "rules.test.yaml")


def test_the_launchers_take_their_configuration(tmp_path):
    """Dagster builds each instance from its file; nothing is reached for that."""
    for variant in ("dagster/one-machine", "dagster/celery", "kubernetes/base"):
        shutil.copy(DEPLOY / variant / "dagster.yaml", tmp_path)
        check = (
            "import dagster as dg; from dagster._core.instance.ref import InstanceRef; "
            f"ref = InstanceRef.from_dir({str(tmp_path)!r}); print(ref.run_launcher_data.class_name)"
        )
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(tmp_path),
            "DAGSTER_POSTGRES_URL": "postgresql://nobody@127.0.0.1/none",
            "DAGSTER_CELERY_BROKER": "memory://",
            "DAGSTER_CELERY_BACKEND": "cache+memory://",
            "DAGSTER_NAMESPACE": "kinetic-mailchimp",
            "DAGSTER_RUN_IMAGE": "image",
        }
        run(ROOT / ".venv/dagster/bin/python", "-W", "ignore", "-c", check, env=environment)


def test_the_page_has_the_tables_that_follow_from_the_measurements():
    measured = json.loads(capacity.MEASURED.read_text())
    assert capacity.PAGE.read_text() == capacity.page_with_tables(measured)
    assert {"alert", "forward", "orchestrator", "receiver", "reverse"} == measured.keys()


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"forward": {}}'])
def test_a_file_of_other_numbers_is_named_and_changes_nothing(tmp_path, text):
    (tmp_path / "bench.json").write_text(text)
    before = capacity.MEASURED.read_text(), capacity.PAGE.read_text()
    with pytest.raises(SystemExit, match=r"bench\.json is not what"):
        capacity.main(["--write", str(tmp_path / "bench.json")])
    assert (capacity.MEASURED.read_text(), capacity.PAGE.read_text()) == before
