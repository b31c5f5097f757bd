"""What deploy/ can be checked for without Docker and Kubernetes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
UNMASK = r"^unmask-scan:"

# The parts of KubeRay's RayJob (ray.io/v1) and of Kubernetes that the manifest uses; other keys are refused, so that a
# misspelt one is found. Kubernetes itself would drop it without a word.
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def _closed(required: list[str], **parts: Any) -> dict[str, Any]:
    return {"type": "object", "properties": parts, "required": required, "additionalProperties": False}


_CONTAINER = _closed(
    ["name", "image", "resources", "securityContext"],
    name={"pattern": "^[a-z0-9-]+$"},
    image={"pattern": UNMASK},
    ports={"items": _closed(["containerPort", "name"], containerPort={"type": "integer"}, name={"maxLength": 15})},
    resources=_closed(["requests", "limits"], requests=_TEXTS, limits=_TEXTS),
    securityContext=_closed(
        ["allowPrivilegeEscalation", "capabilities"],
        allowPrivilegeEscalation={"const": False},
        capabilities={"const": {"drop": ["ALL"]}},
    ),
    envFrom={"items": _closed(["secretRef"], secretRef=_closed(["name"], name={}, optional={"type": "boolean"}))},
    lifecycle={"type": "object"},
    volumeMounts={"items": _closed(["name", "mountPath"], name={}, mountPath={"pattern": "^/"})},
)
_POD = _closed(
    ["spec"],
    spec=_closed(
        ["containers", "securityContext"],
        containers={"items": _CONTAINER, "minItems": 1},
        securityContext={"properties": {"runAsNonRoot": {"const": True}}, "required": ["runAsNonRoot"]},
        terminationGracePeriodSeconds={"type": "integer"},
        volumes={
            "items": _closed(
                ["name"],
                name={},
                persistentVolumeClaim=_closed(["claimName"], claimName={}),
                emptyDir=_closed(["sizeLimit"], medium={"const": "Memory"}, sizeLimit={}),
            )
        },
    ),
)
_RAY_JOB = _closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={},
    metadata=_closed(["name"], name={}),
    spec=_closed(
        ["entrypoint", "rayClusterSpec"],
        entrypoint={"type": "string"},
        backoffLimit={"type": "integer"},
        shutdownAfterJobFinishes={"type": "boolean"},
        ttlSecondsAfterFinished={"type": "integer"},
        rayClusterSpec=_closed(
            ["rayVersion", "headGroupSpec", "workerGroupSpecs"],
            rayVersion={"type": "string"},
            headGroupSpec=_closed(["rayStartParams", "template"], rayStartParams=_TEXTS, template=_POD),
            workerGroupSpecs={
                "items": _closed(
                    ["groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"],
                    groupName={},
                    replicas={"type": "integer"},
                    minReplicas={"type": "integer"},
                    maxReplicas={"type": "integer"},
                    rayStartParams=_TEXTS,
                    template=_POD,
                )
            },
        ),
    ),
)


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict[str, Any]]:
    """The documents of the manifest by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "rayjob.yaml").read_text())}


def test_the_ray_job_has_the_shape_of_the_operator(manifest: dict[str, dict[str, Any]]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    assert set(manifest) == {"PersistentVolumeClaim", "RayJob", "NetworkPolicy"}
    jsonschema.validate(manifest["RayJob"], _RAY_JOB)
    cluster = manifest["RayJob"]["spec"]["rayClusterSpec"]
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    images = {container["image"] for group in pods for container in group["template"]["spec"]["containers"]}
    assert len(images) == 1
    for group in pods:
        spec = group["template"]["spec"]
        mounts = {mount["name"] for container in spec["containers"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in spec["volumes"]}
        assert int(group["rayStartParams"]["object-store-memory"]) >= 80 * 2**20  # Ray refuses less
    claim = pods[0]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert claim == manifest["PersistentVolumeClaim"]["metadata"]["name"]


def test_the_ray_job_has_the_version_that_was_tested(manifest: dict[str, dict[str, Any]]) -> None:
    version = manifest["RayJob"]["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"ray=={version}" in (ROOT / "constraints.txt").read_text().splitlines()


def test_the_ray_job_starts_a_scan_that_can_be_started_again(manifest: dict[str, dict[str, Any]]) -> None:
    import typer

    from unmask.cli.scan import scan

    program, command, *arguments = shlex.split(manifest["RayJob"]["spec"]["entrypoint"])
    assert (program, command) == ("unmask", "scan")
    app = typer.Typer()
    app.command()(scan)
    context = typer.main.get_command(app).make_context("scan", arguments)
    assert context.params["engine"] == "ray"
    assert context.params["address"] == "auto"
    assert context.params["resume"]
    head = manifest["RayJob"]["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert any(context.params["out"].is_relative_to(mount["mountPath"]) for mount in head["volumeMounts"])


@pytest.mark.parametrize("name", ["Dockerfile", "scan.Dockerfile"])
def test_what_an_image_copies_is_there_and_not_ignored(name: str) -> None:
    lines = (DEPLOY / name).read_text().replace("\\\n", " ").splitlines()
    ignored = (DEPLOY / f"{name}.dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in ignored if line.startswith("!")]
    copied = [
        source for line in lines if line.startswith("COPY ") and "--from" not in line for source in line.split()[1:-1]
    ]
    assert copied
    for source in copied:
        assert list(ROOT.glob(source.rstrip("/"))), source
        assert any(source.startswith(each) for each in allowed), source
    # Nobody is root at the end, and extras are those of the package.
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 10001:10001"
    (extras,) = re.findall(r'"\.\[([a-z,]+)\]"', "\n".join(lines))
    project = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras.split(","))
