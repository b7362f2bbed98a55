"""A real service asked its golden records over HTTP, for every kind of record."""

from pathlib import Path

import httpx
import pytest
from services import serving
from tiny_bundles import KINDS, PLAIN, tiny_bundle

from lightloop.deploy.smoke import check
from lightloop.errors import LightloopError
from lightloop.service.processes.supervisor import served_from
from lightloop.serving.golden import read_golden
from lightloop.serving.manifest import verify_bundle

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_record_is_answered_as_it_was_released(kind: str, tmp_path: Path) -> None:
    bundle = tiny_bundle(kind, tmp_path / "bundle")
    served = served_from(bundle, "v1", verify_bundle(bundle))
    with serving(tmp_path, served, workers=1) as service, httpx.Client(base_url=service.address) as client:
        assert check(client, served) == len(read_golden(bundle).records) > 0
        other = tiny_bundle(kind, tmp_path / "other", bias=3.0)
        with pytest.raises(LightloopError, match="the new service serves the bundle"):
            check(client, served_from(other, "v2", verify_bundle(other)))
        # The same digest, but other answers were released: not this service's model.
        with pytest.raises(LightloopError, match="the new service answers golden record 1"):
            check(client, served.model_copy(update={"folder": str(other)}))


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    bundle = tiny_bundle(PLAIN, tmp_path / "bundle")
    with (
        httpx.Client(base_url="http://127.0.0.1:9") as client,
        pytest.raises(LightloopError, match="does not answer /health/ready"),
    ):
        check(client, served_from(bundle, "v1", verify_bundle(bundle)))
