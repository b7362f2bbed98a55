"""A service asked its own golden records over HTTP, before people may ask it."""

import base64
import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from lightloop.errors import LightloopError
from lightloop.service.processes.listening import reachable
from lightloop.service.processes.state import Served
from lightloop.serving.golden import read_golden

SECONDS = 30.0


def smoke(private: Path, served: Served) -> int:
    """Ask a service whether it is ready, what it serves, and its golden records.

    Args:
        private: its private socket.
        served: what it is to serve.

    Returns:
        How many golden records were answered as they were released; 0 where the bundle has none.

    Raises:
        LightloopError: one thing is not as it should be.
    """
    with reachable(private) as address:
        transport = httpx.HTTPTransport(uds=address)
        with httpx.Client(transport=transport, base_url="http://service", timeout=SECONDS) as client:
            return check(client, served)


def check(client: httpx.Client, served: Served) -> int:
    """The same with a client of the service."""
    golden = read_golden(Path(served.folder))
    _json(client, "GET", "/health/ready")
    about = _json(client, "GET", "/v1/metadata")
    if about["digest"] != served.digest:
        raise LightloopError(f"the new service serves the bundle {str(about['digest'])[:12]}, not {served.digest[:12]}")
    answers = [_numbers(_json(client, "POST", "/v1/predict", record), about["classes"]) for record in golden.records]
    golden.check(answers, "the new service")
    return len(answers)


def _json(client: httpx.Client, method: str, path: str, content: Any = None) -> dict[str, Any]:
    try:
        response = client.request(method, path, json=content)
        body: Any = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise LightloopError(f"the new service does not answer {path} ({error})") from None
    if response.status_code != httpx.codes.OK:
        why = body.get("error") if isinstance(body, dict) else None
        raise LightloopError(f"the new service answers {path} with {response.status_code} ({why})")
    return dict(body)


def _numbers(answer: dict[str, Any], classes: list[str]) -> list[float]:
    """An answer in the form of golden ones."""
    # of feature: generation
    if "image" in answer:
        with Image.open(io.BytesIO(base64.b64decode(answer["image"]))) as image:
            levels = np.asarray(image, dtype=np.float64)
        return [float(level) for level in levels.reshape(levels.shape[0] * levels.shape[1], -1).mean(0)]
    # end
    if "probabilities" in answer:
        return [float(answer["probabilities"][name]) for name in classes]
    return [float(value) for value in answer["values"]]
