"""What deploy/ has for containers, Kubernetes and Prometheus, against the schemas and tools of those."""

from __future__ import annotations

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
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from servers import postgres
from stage import ROOT

DEPLOY = ROOT / "deploy"
MANIFESTS = ROOT / ".venv" / "manifests" / "bin"
KUBERNETES = DEPLOY / "kubernetes"
METRIC = re.compile(r"\bmailchimp_webhooks_[a-z_]+")


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


def test_every_image_is_pinned_by_a_digest_and_runs_as_nobody():
    text = (DEPLOY / "containers" / "Containerfile").read_text()
    stages = dict(re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE))
    assert {base for base in stages if "/" in base} == {
        "docker.io/library/python:3.13-slim-bookworm@${PYTHON_DIGEST}"
    }
    for image in ("receiver", "pages", "runner"):
        block = text.split(f"FROM base AS {image}\n")[1].split("\nFROM ")[0]
        assert "USER 65532:65532" in block
        assert "HEALTHCHECK" in block
    compose = (DEPLOY / "compose.yaml").read_text()
    foreign = re.findall(r'image: "(docker\.io\S+)', compose)
    assert foreign
    assert all(re.search(r"@\$\{[A-Z]+_DIGEST:\?", image) for image in foreign)


def test_the_compose_file_fits_its_schema_and_names_files_that_are_there(tmp_path):
    given = (DEPLOY / "compose.yaml").read_text()
    # The tool takes no tag beside a digest; the tag is there for who reads it.
    given = re.sub(r"(:[\w.-]+)?@\$\{[A-Z_]+DIGEST:\?[^}]*\}", f"@sha256:{'0' * 64}", given)
    given = re.sub(r"\$\{[A-Z_]+DIGEST:\?[^}]*\}", "x", given)
    given = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", given)
    given = re.sub(r"\$\{[A-Z_]+:\?[^}]*\}", "x", given)
    document = yaml.safe_load(given)
    (tmp_path / "compose.yaml").write_text(given)
    check = (
        "import sys, yaml, compose_spec; from compose_spec.models import ComposeSpecification as S; "
        "compose_spec.PyCompose.from_dict(S.model_validate(yaml.safe_load(open(sys.argv[1])))).validate()"
    )
    run(MANIFESTS / "python", "-W", "ignore", "-c", check, tmp_path / "compose.yaml")
    for service in document["services"].values():
        for secret in service.get("secrets", []):
            assert secret in document["secrets"]
        for place in (str(volume).split(":")[0] for volume in service.get("volumes", [])):
            yours = place.endswith("/tenants.yaml")  # copied from the example
            assert yours or place in document["volumes"] or (DEPLOY / place).exists(), place


def test_the_kubernetes_objects_fit_their_schemas(objects, tmp_path):
    for number, document in enumerate(objects):
        file = tmp_path / f"{number}.yaml"
        file.write_text(yaml.safe_dump(document))
        run(MANIFESTS / "kubernetes-validate", "--strict", "-k", "1.33", file)


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


@pytest.mark.parametrize("file", ["prometheus/rules.yaml", "grafana/dashboard.json"])
def test_rules_and_dashboard_name_metrics_that_are_there(file):
    there = set(METRIC.findall((ROOT / "docs/reference/metrics.md").read_text()))
    there |= {f"{name}_{part}" for name in there for part in ("bucket", "count", "sum")}
    used = set(METRIC.findall((DEPLOY / file).read_text()))
    assert used
    assert used <= there


def test_every_query_of_the_dashboard_is_answered_by_an_audit_database():
    panels = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]
    queries = [target["rawSql"] for panel in panels for target in panel["targets"] if "rawSql" in target]
    assert {"failed", "drifted", "429"} <= set(re.findall(r"\w+", " ".join(queries)))
    with postgres() as new_database:
        url = new_database("audit")
        AuditTrail.open(url).close()
        engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
        with engine.connect() as connection:
            for query in queries:
                asked = re.sub(
                    r"\$__timeFilter\((.*?::timestamptz|to_timestamp\(.*?\))\)", r"\1 > now()", query
                )
                connection.exec_driver_sql(asked.replace("$__timeFrom()", "now()"))
        engine.dispose()


def test_the_rules_fire_when_they_should():
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not there: apt-get install prometheus")
    run(promtool, "check", "rules", DEPLOY / "prometheus" / "rules.yaml")
    run(promtool, "test", "rules", DEPLOY / "prometheus" / "rules.test.yaml")


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
