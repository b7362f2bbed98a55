"""`lightloop ci verify`: an image is deployed where this repository's own workflow says that it built it."""

import os
import re
import shutil
import subprocess

from lightloop.ci.outputs import summarise
from lightloop.errors import RefusedError, UsageError

WORKFLOW = ".github/workflows/deploy.yml"
# What `deploy.yml` attests of an image: how it was built, and what is in it.
PREDICATES = {"provenance": "https://slsa.dev/provenance/v1", "bill of materials": "https://cyclonedx.org/bom"}
IMAGE = re.compile(r"[a-z0-9][\w.:/-]*@sha256:[0-9a-f]{64}")


def verify(image: str) -> None:
    """Refuse an image without provenance and bill of materials that this repository's `deploy.yml` signed.

    GitHub's own program `gh` does it, on a runner of GitHub: it checks signatures, the repository, and the workflow.

    Args:
        image: with its digest, such as ghcr.io/acme/model@sha256:...; a tag could be another image later.

    Raises:
        UsageError: no image with a digest, `gh` is not on this machine, or nobody says which repository this is.
        RefusedError: one of the two is missing, or is somebody else's.
    """
    if not IMAGE.fullmatch(image):
        raise UsageError(f"{image!r} names no image by its digest: expected such as ghcr.io/acme/model@sha256:...")
    repository = os.environ.get("GITHUB_REPOSITORY", "")
    if not repository:
        raise UsageError("GITHUB_REPOSITORY is not set: name the repository that built the image, such as acme/model")
    if shutil.which("gh") is None:
        raise UsageError("`gh` is not on this machine, which verifies attestations: install it from cli.github.com")
    for name, predicate in PREDICATES.items():
        words = ["gh", "attestation", "verify", f"oci://{image}", "--repo", repository]
        words += ["--signer-workflow", f"{repository}/{WORKFLOW}", "--predicate-type", predicate]
        done = subprocess.run([*words, "--deny-self-hosted-runners"], capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
            summarise(f"### Not deployed\n\nThe {name} of `{image}` can't be verified: {said}.")
            raise RefusedError(f"the {name} of {image} can't be verified, so that it is not deployed: {said}")
        print(f"the {name} of {image} is verified: {repository} built it by {WORKFLOW}")
