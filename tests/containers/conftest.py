"""An installation of deploy/compose that follows the guide, for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import docker, images
from tests.containers.installation import Installation


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("containers")
    try:
        with docker.available_docker() as client:
            started = Installation(client, folder, stand_ins=images.provide_images(client))
            with started.running():
                yield started
    except docker.NoDockerError as error:
        pytest.skip(str(error))
