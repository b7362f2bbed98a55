"""The bare repository behind the forge."""

import os
import subprocess
from pathlib import Path

ZERO = "0" * 40
# Nothing of the machine's own git settings, nor of a hook that the tests run in.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


class Repository:
    """A bare repository, and what the forge asks it.

    Args:
        path: of the folder, which is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        run("git", "init", "-q", "--bare", "-b", "main", str(path))
        for key in ("http.receivepack", "uploadpack.allowAnySHA1InWant"):
            self.git("config", key, "true")

    def git(self, *words: str, **environment: str) -> str:
        return run("git", "-C", str(self.path), *words, **environment)

    def refs(self) -> dict[str, str]:
        """All refs, each with its object; of an annotated tag that is the tag itself."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def commit(self, ref: str) -> str | None:
        """The commit of a branch, a tag or an id; None where there is none."""
        for name in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}"):
            found = try_run("git", "-C", str(self.path), "rev-parse", "--verify", "-q", f"{name}^{{commit}}")
            if found:
                return found
        return None

    def full(self, ref: str) -> str | None:
        """The full name of a branch or tag."""
        names = self.refs()
        return next((name for name in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}") if name in names), None)

    def file(self, commit: str, path: str) -> str | None:
        """The text of a file at a commit; None where there is none."""
        return try_run("git", "-C", str(self.path), "show", f"{commit}:{path}")

    def workflows(self, commit: str) -> list[str]:
        listed = self.git("ls-tree", "--name-only", commit, ".github/workflows/").splitlines()
        return [path for path in listed if path.endswith((".yml", ".yaml"))]

    def changed(self, before: str, after: str) -> tuple[str, ...]:
        """The files that differ; all of them where there was nothing before."""
        if before == ZERO:
            return tuple(self.git("ls-tree", "-r", "--name-only", after).splitlines())
        return tuple(self.git("diff", "--name-only", before, after).splitlines())

    def merge(self, head: str, base: str, message: str, by: str) -> str | None:
        """A merge commit of two commits; None where they conflict. Nothing points to it yet."""
        tree = try_run("git", "-C", str(self.path), "merge-tree", "--write-tree", base, head)
        if tree is None:
            return None
        who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _person(by).items()}
        return self.git("commit-tree", tree.splitlines()[0], "-p", base, "-p", head, "-m", message, **who)

    def put(self, ref: str, commit: str) -> None:
        self.git("update-ref", ref, commit)


def _person(name: str) -> dict[str, str]:
    return {"NAME": name, "EMAIL": f"{name.removesuffix('[bot]')}@example.invalid"}


def run(*words: str, cwd: Path | None = None, **environment: str) -> str:
    """Run git. Raises RuntimeError with its words where it fails."""
    done = subprocess.run(
        words, check=False, text=True, capture_output=True, cwd=cwd, env=ENVIRONMENT | environment, errors="replace"
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def try_run(*words: str) -> str | None:
    try:
        return run(*words)
    except RuntimeError:
        return None
