"""deploy/kubernetes as far as a machine without a cluster can judge it: rendered, and by Kubernetes' own schemas."""

import shutil
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from gateway import settings
from tests.deploy.conftest import DEPLOY, uncomment

FOLDER = DEPLOY / "kubernetes"
VERSIONS = ("1.31", "1.34")


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


WRITTEN = [
    (path, document)
    for path in sorted(FOLDER.rglob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in documents(path.read_text())
]


@pytest.fixture(scope="module")
def rendered(judge):
    return documents(judge("kubectl", "kustomize", FOLDER / "example"))


def pods(manifests):
    pods_by_name = {}
    for document in manifests:
        spec = document.get("spec", {})
        job = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in job:
            pods_by_name[document["metadata"]["name"]] = job["template"]["spec"]
    return pods_by_name


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("path", "document"),
    WRITTEN,
    ids=lambda parameter: parameter.name if isinstance(parameter, Path) else parameter["kind"],
)
def test_every_file_is_a_valid_kubernetes_document(path, document, version):
    kubernetes_validate.validate(document, version, strict=True)


def test_a_rendered_overlay_is_valid_and_every_reference_exists(rendered):
    for document in rendered:
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)
    names = {(d["kind"], d["metadata"]["name"]) for d in rendered}
    for pod in pods(rendered).values():
        settings_map = next(v["configMap"]["name"] for v in pod["volumes"] if v["name"] == "settings")
        assert ("ConfigMap", settings_map) in names
    (ingress,) = (d for d in rendered if d["kind"] == "Ingress")
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = next(d for d in rendered if (d["kind"], d["metadata"]["name"]) == ("Service", backend["name"]))
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    assert {d["spec"]["replicas"] for d in rendered if d["metadata"]["name"] == "api" and "replicas" in d["spec"]} == {
        3
    }
    assert "evaluation" in pods(rendered)
    images = {container["image"] for pod in pods(rendered).values() for container in pod["containers"]}
    assert images == {"piekwacht:0.1.0"}


def find_mounts(pod):
    """Path in the container -> (kind of volume, its name, whether it is read-only)."""
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {}
    for mount in pod["containers"][0]["volumeMounts"]:
        volume = volumes[mount["name"]]
        name = volume.get("persistentVolumeClaim", {}).get("claimName") or volume.get("secret", {}).get("secretName")
        mounts[mount["mountPath"]] = (name, mount.get("readOnly", False))
    return mounts


def test_folder_heads_and_key_of_the_public_log_are_mounted_where_the_settings_state(rendered):
    log = settings.read(FOLDER / "example/piekwacht.toml").public_log
    gateway, api = (find_mounts(pods(rendered)[name]) for name in ("gateway", "api"))
    assert gateway[str(log.folder)] == ("public-log", False)
    assert gateway[str(log.state_folder)] == ("public-log-heads", False)
    assert gateway[str(log.key_folder)] == ("piekwacht-log-keys", True)
    assert api[str(log.folder)] == ("public-log", True)
    assert not {str(log.key_folder), str(log.state_folder)} & api.keys(), "only the gateway signs"
    claims = [d for d in rendered if d["kind"] == "PersistentVolumeClaim"]
    assert {claim["metadata"]["name"] for claim in claims} == {"public-log", "public-log-heads"}
    assert all(claim["spec"]["accessModes"] == ["ReadWriteMany"] for claim in claims), "any gateway may have an area"


def test_without_its_component_nothing_of_the_log_is_mounted():
    for name in ("gateway", "api"):
        assert not any("log" in path for path in find_mounts(pods([d for _, d in WRITTEN])[name]))


def test_subscriptions_are_a_component_whose_pod_and_api_read_the_key(rendered, judge, tmp_path):
    assert "subscriptions" not in pods(rendered)
    folder = shutil.copytree(FOLDER, tmp_path / "kubernetes") / "example"
    overlay = folder / "kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("components: [", "components: [../subscriptions, "))
    (folder / "piekwacht.toml").write_text(uncomment((folder / "piekwacht.toml").read_text()))
    pod_specs = pods(documents(judge("kubectl", "kustomize", folder)))
    key_file = settings.read(folder / "piekwacht.toml").subscriptions.push.key_file
    for name in ("subscriptions", "api"):
        assert find_mounts(pod_specs[name])[str(key_file.parent)] == ("piekwacht", True)
    assert pod_specs["subscriptions"]["containers"][0]["image"] == "piekwacht:0.1.0"


def test_every_pod_meets_the_restricted_security_standard():
    pod_specs = pods([document for _, document in WRITTEN])
    assert set(pod_specs) == {"migrate", "gateway", "api", "alerting", "evaluation", "subscriptions", "upkeep"}
    for pod in pod_specs.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_the_settings_of_the_pods_are_read_strictly_and_fit_them():
    read = settings.read(FOLDER / "example/piekwacht.toml")
    ports = {
        name: pod["containers"][0]["ports"][0]["containerPort"]
        for name, pod in pods([document for _, document in WRITTEN]).items()
        if name not in {"migrate", "upkeep"}
    }
    assert ports == {
        "gateway": read.telemetry.port_of("gateway"),
        "alerting": read.telemetry.port_of("alerting"),
        "evaluation": read.telemetry.port_of("evaluation"),
        "subscriptions": read.telemetry.port_of("subscriptions"),
        "api": read.api.port,
    }
