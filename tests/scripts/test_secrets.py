"""`make secrets` finds a secret that somebody commits, and says where; what is here holds none."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_project import REPOSITORY

# In parts, or this file would be found.
PLANTED = {
    "aws": "aws_access_key_id = 'AK" + "IAQ3EGRV5ZT7PLMXYN'",  # pragma: allowlist secret
    "key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "github": "token = 'gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'",
    "password": "password = '" + "correct-horse-battery'",
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The Makefile and one file, in git."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    (tmp_path / "settings.py").write_text("answer = 42\n")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "add", "-A"], check=True)
    return tmp_path


def secrets(folder: Path) -> "subprocess.CompletedProcess[str]":
    kept = f"LIGHTLOOP_ENVIRONMENT={Path(sys.executable).parent.parent}"
    return subprocess.run(["make", "secrets", kept], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PLANTED)
def test_a_secret_that_was_planted_is_found(clone: Path, kind: str) -> None:
    (clone / "settings.py").write_text(f"answer = 42\n{PLANTED[kind]}\n")
    found = secrets(clone)
    assert found.returncode != 0
    assert "settings.py:2" in found.stdout + found.stderr
    if kind != "key":  # whose first line is no secret
        assert PLANTED[kind].split("'")[1] not in found.stdout + found.stderr


@pytest.mark.slow
def test_where_there_is_none_nothing_is_found(clone: Path) -> None:
    found = secrets(clone)
    assert (found.returncode, found.stdout) == (0, ""), found.stderr
