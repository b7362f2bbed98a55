"""Copy what the patterns name into the folder of this run's artifacts."""

import glob
import hashlib
import os
import shutil
import sys
from pathlib import Path


def main() -> None:
    asked = [line.strip() for line in os.environ["PATHS"].splitlines() if line.strip()]
    hidden = os.environ["HIDDEN"] == "true"
    found = set().union(*(files(one, hidden) for one in asked if not one.startswith("!")))
    found -= set().union(*(files(one[1:], hidden) for one in asked if one.startswith("!")))
    if not found:
        print(f"No files were found with the provided path: {' '.join(asked)}. No artifacts will be uploaded.")
        sys.exit(1 if os.environ["MISSING"] == "error" else 0)
    target = Path(os.environ["ARTIFACT_STORE"], os.environ["GITHUB_RUN_ID"], os.environ["NAME"])
    if target.exists():
        if os.environ["OVERWRITE"] != "true":
            sys.exit("Failed to CreateArtifact: (409) Conflict: an artifact with this name already exists")
        shutil.rmtree(target)
    root = common(asked, found)
    for file in sorted(found):
        place = target / file.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)  # without its rights, as the real one
    digest = hashlib.sha256("".join(sorted(map(str, found))).encode()).hexdigest()
    with Path(os.environ["GITHUB_OUTPUT"]).open("a") as file:
        file.write(f"artifact-id={int(digest[:6], 16)}\nartifact-digest={digest}\n")
    print(f"{len(found)} files, {sum(file.stat().st_size for file in found)} bytes")


def files(pattern: str, hidden: bool) -> set[Path]:
    """The files of a pattern; of a folder all that are in it."""
    found: set[Path] = set()
    for name in glob.glob(pattern, recursive=True, include_hidden=hidden):  # noqa: PTH207 - it knows hidden
        path = Path(name).absolute()
        inside = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
        if not hidden:
            base = Path.cwd()
            inside = [one for one in inside if not any(part.startswith(".") for part in parts(one, base))]
        found.update(inside)
    return found


def parts(path: Path, base: Path) -> tuple[str, ...]:
    return path.relative_to(base).parts if path.is_relative_to(base) else (path.name,)


def common(asked: list[str], found: set[Path]) -> Path:
    """The least folder that holds all search paths: of one folder itself, of one file its folder."""
    roots = []
    for one in asked:
        if one.startswith("!"):
            continue
        fixed = []
        for part in Path(one).absolute().parts:
            if any(letter in part for letter in "*?["):
                break
            fixed.append(part)
        roots.append(Path(*fixed))
    if len(roots) == 1:
        return roots[0] if roots[0].is_dir() else roots[0].parent
    return Path(os.path.commonpath(roots))


if __name__ == "__main__":
    main()
