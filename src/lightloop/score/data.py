"""Tests for features and data (Breck et al. 2017, section 2)."""

import re
from pathlib import Path

from lightloop.score.clone import Clone
from lightloop.score.outcome import Outcome, every, tested

LEAK = "feature_does_not_reveal_the_target"
IMPORT = re.compile(r"(?m)^\s*from (lightloop[\w.]*) import (?:\(([^)]*)\)|([^(\n]+))")
SEVERAL = 3
SECRET = re.compile(r"(?im)^\s*(password|secret_access_key|access_key_id|sas_token|connection_string|token)\s*=")


def schema(clone: Clone) -> Outcome:
    """Data 1."""
    spec = clone.config.data
    path = f"configs/expectations/{spec.expectations}.json"
    suite = clone.json(clone.project.root / path) or {}
    about = {one["kwargs"].get("column") for one in suite.get("expectations", [])}
    lost = sorted(set(spec.features) - about) if spec.modality == "tabular" else []
    before = "artifacts/validation/profile.json" in clone.stages.get("train", {}).get("deps", [])
    failed = [one for one in clone.data_checks if not one["success"] and one["severity"] == "critical"]
    return every(
        f"{len(clone.data_checks)} expectations were checked before the training",
        (about, f"{path} is missing or empty: `lightloop validate` needs it"),
        (not lost, f"{path} expects nothing of {', '.join(lost[:3])}: add expectations"),
        (before, "the stage train of dvc.yaml does not depend on artifacts/validation/profile.json: restore it"),
        (clone.data_checks, "the data were not checked here: run `lightloop run`"),
        (not failed, "the data check failed: run `lightloop run` on data that meet it"),
    )


def beneficial(clone: Clone) -> Outcome:
    """Data 2."""
    found = clone.json(clone.project.explanation / "global.json") or {}
    measured = {one["name"]: one for one in found.get("features", [])}
    lost = sorted(set(clone.config.data.features) - set(measured)) if clone.config.data.modality == "tabular" else []
    idle = [name for name, one in measured.items() if one["high"] <= 0]
    noun = found.get("noun", "features")
    return every(
        f"what {len(measured) or 'all'} {noun} contribute was measured on {found.get('n', 0)} records",
        (found.get("applies"), "importance over all records was not measured: run `lightloop run` with explain"),
        (found.get("trusted"), "no attribution method passed its checks: see the report's explanations"),
        (measured or found.get("maps"), "importance over all records is empty: run `lightloop run` with explain"),
        (not lost, f"nothing is known of what {', '.join(lost[:3])} contributes: run `lightloop run` anew"),
        (not idle, f"{', '.join(idle[:3])} contribute nothing: give them the role ignored, and say why"),
    )


def cost(clone: Clone) -> Outcome:
    """Data 3."""
    checks = [*clone.judged("latency"), *clone.judged("size")]
    failed = [one["message"] for one in checks if not one["passed"]]
    return every(
        "; ".join(one["message"] for one in checks),
        (len(checks) == 2, "the gate did not look at latency and size: run `lightloop run`"),
        (not failed, failed[0] if failed else ""),
    )


def meta(clone: Clone) -> Outcome:
    """Data 4."""
    columns = clone.config.data.columns
    silent = [name for name, one in columns.items() if one.role == "ignored" and not one.why]
    leaks = [one for one in clone.data_checks if one["name"] == LEAK]
    names = ", ".join(silent[:3])
    return every(
        f"{len(columns)} columns have a role, those that are not read a reason, and none gives the target away",
        (not silent, f"configs/data does not say why {names} is ignored: add `why`"),
        (leaks, "no feature was held against the target: set data.leakage_limit and run `lightloop run`"),
        (all(one["success"] for one in leaks), "a feature gives the target away: see the report's data quality"),
    )


def privacy(clone: Clone) -> Outcome:
    """Data 5."""
    log = (clone.yaml("configs/serve/default.yaml") or {}).get("log") or {}
    config = clone.text(".dvc/config")
    return every(
        f"the log is kept for {log.get('days', 90)} days, without sensitive columns; each push is searched for secrets",
        (log.get("days", 90) is not None, "serve.log.days is null, so that records are kept for ever: set it"),
        (log.get("images", False) is False, "serve.log.images keeps the images that people send: set it to false"),
        (not SECRET.search(config), ".dvc/config holds a secret and is in git: take it out and make a new one"),
        ("/.lightloop/" in clone.text(".gitignore"), ".gitignore does not leave out /.lightloop/, the log: restore it"),
        (clone.runs("security", "make secrets"), "security.yml does not run `make secrets`: restore it"),
    )


def quickly(clone: Clone) -> Outcome:
    """Data 6."""
    spec = clone.config.data
    path = f"configs/data/{spec.name}.yaml"
    named = list(((clone.yaml(path) or {}).get("columns")) or {})
    held = _naming(clone, spec.features) if spec.modality == "tabular" else None
    return every(
        f"a feature is a line of {path}: {len(named)} columns stand there, and no code names one",
        (set(spec.columns) <= set(named), f"{path} does not name the columns that are read: restore it"),
        (held is None, f"{held} names columns of the data set: take them from the config"),
        (clone.there("tests/data/test_new_feature.py"), "tests/data/test_new_feature.py is missing: restore it"),
        tested(clone),
    )


def _naming(clone: Clone, features: list[str]) -> str | None:
    """A module that holds several columns by name, for which a new one would have to be written; words do by chance."""
    names = re.compile(rf"[\"']({'|'.join(map(re.escape, features))})[\"']")
    for path in sorted(clone.project.root.glob("src/lightloop/**/*.py")):
        # What a simulation changes is told by name; no feature goes through it.
        if "simulation" in path.parts:
            continue
        if len(set(names.findall(path.read_text(encoding="utf-8")))) >= SEVERAL:
            return clone.project.relative(path)
    return None


def feature_code(clone: Clone) -> Outcome:
    """Data 7."""
    folder = f"data/{clone.config.data.modality}"
    modules = [one.stem for one in clone.project.root.glob(f"src/lightloop/{folder}/*.py") if one.stem != "__init__"]
    names = {name: f"lightloop.{folder.replace('/', '.')}.{name}" for name in modules}
    reached = _reached(clone, list(names.values()))
    bare = sorted(name for name, module in names.items() if module not in reached)
    return every(
        f"each of the {len(modules)} modules of src/lightloop/{folder} is under test",
        (modules, f"src/lightloop/{folder} is empty: install the package from the clone"),
        (not bare, f"no test reaches src/lightloop/{folder}/{bare[0] if bare else ''}.py: write one"),
        tested(clone),
    )


def _reached(clone: Clone, modules: list[str]) -> set[str]:
    """Those of our modules that a test names, or what a test names imports, and so on.

    A module that is loaded by a name that is put together has a test of its own name.
    """
    sources = {_name(clone, path): path for path in clone.project.root.glob("src/lightloop/**/*.py")}
    tests = list(clone.project.root.glob("tests/**/*.py"))
    queue = [one for path in tests for one in _named(path)]
    for module in modules:
        _, folder, modality, name = module.split(".")
        queue += [module] if clone.there(f"tests/{folder}/{modality}/test_{name}.py") else []
    seen: set[str] = set()
    while queue:
        name = queue.pop()
        # `from lightloop.x import y` names the module x.y or what x holds.
        name = name if name in sources else name.rpartition(".")[0]
        if name in sources and name not in seen:
            seen.add(name)
            queue += _named(sources[name])
    return seen


def _name(clone: Clone, path: Path) -> str:
    parts = path.relative_to(clone.project.root / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _named(path: Path) -> list[str]:
    """Names that a file's imports bring in, such as lightloop.files.write_json."""
    text = path.read_text(encoding="utf-8")
    found = []
    for module, inside, line in IMPORT.findall(text):
        names = re.findall(r"\w+", re.sub(r"#.*|\bas \w+", "", inside or line))
        found += [module, *(f"{module}.{name}" for name in names)]
    return found
