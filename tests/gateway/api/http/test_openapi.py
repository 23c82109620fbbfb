"""The OpenAPI document, checked by a linter and by a program that generates requests from it."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.api.observation_batches import ingest_observations
from tests.npm import link_packages

pytestmark = pytest.mark.slow
SPECTRAL = Path(__file__).parents[3] / "spectral"


@pytest.fixture(scope="session")
def spectral(tmp_path_factory) -> Path:
    """The linter, pinned by a lock file."""
    folder = tmp_path_factory.mktemp("spectral")
    shutil.copy(SPECTRAL / "ruleset.yaml", folder)
    link_packages(SPECTRAL, folder)
    return folder


async def lint(folder, text):
    (folder / "openapi.json").write_text(text)
    command = ["node_modules/.bin/spectral", "lint", "openapi.json", "--ruleset", "ruleset.yaml", "--quiet"]
    return await asyncio.to_thread(
        subprocess.run, [*command, "--fail-severity", "warn"], cwd=folder, capture_output=True, text=True
    )


@pytest.mark.timeout(300)
async def test_the_openapi_document_follows_the_design_rules(api, spectral):
    text = (await api.get("/api/v1/openapi.json")).text
    result = await lint(spectral, text)
    assert result.returncode == 0, result.stdout
    planted = text.replace("/api/v1/observed-properties", "/api/v1/Observed_Properties/").replace(
        "API-Version", "Version"
    )
    result = await lint(spectral, planted)
    assert result.returncode == 1
    for rule in ("nlgov-paths-kebab-case", "nlgov-api-version-header"):
        assert rule in result.stdout


@pytest.mark.timeout(300)
async def test_no_generated_request_causes_a_server_error(api, pipeline, node):
    await ingest_observations(pipeline, node)
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{api.base_url}/api/v1/openapi.json",
               "--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing", "--max-examples", "8",
               "--exclude-path", "/api/v1/live", "--request-timeout", "20", "--seed", "7",
               "--url", str(api.base_url)]  # fmt: skip
    result = await asyncio.to_thread(subprocess.run, list(map(str, command)), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-6_000:] + result.stderr[-1_000:]
