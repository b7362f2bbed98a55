"""Configs, pipeline, Makefile, `pyproject.toml`, locks and documentation, without what is gone."""

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from lightloop.template.slim.docs import cut_docs
from lightloop.template.slim.features import Features
from lightloop.template.slim.lock import keep_only, pinned, prune
from lightloop.template.slim.packages import dead, declared, imported, without

Texts = dict[str, str]


def cut_texts(now: Texts, before: Mapping[str, str], features: Features, left_out: tuple[str, ...]) -> tuple[str, ...]:
    """Cut every file that is no Python; the distributions that are no longer pinned."""
    _cut_lines(now, features, left_out)
    _cut_configs(now, before, features)
    if "dvc.yaml" in now:
        now["dvc.yaml"] = _pipeline(now["dvc.yaml"], now, before)
    if "Makefile" in now:
        now["Makefile"] = _makefile(now["Makefile"])
    packages: tuple[str, ...] = ()
    if "pyproject.toml" in now:
        packages = _project(now, before, features, left_out)
    cut_docs(now, before, features, left_out)
    return packages


def _cut_lines(now: Texts, features: Features, left_out: Collection[str]) -> None:
    for name in left_out:
        for path, expressions in features.features[name].lines.items():
            if path in now:
                found = [re.compile(one) for one in expressions]
                lines = now[path].splitlines(keepends=True)
                now[path] = "".join(line for line in lines if not any(one.search(line) for one in found))


# Configs


def groups_of(texts: Collection[str]) -> dict[str, set[str]]:
    """The options of each group of `configs/`."""
    found: dict[str, set[str]] = {}
    for path in texts:
        parts = PurePosixPath(path).parts
        if len(parts) == 3 and parts[0] == "configs":
            found.setdefault(parts[1], set()).add(PurePosixPath(path).stem)
    return found


def _cut_configs(now: Texts, before: Mapping[str, str], features: Features) -> None:
    groups, known = groups_of(now), groups_of(before)
    lost = set(known) - set(groups)
    main = "configs/config.yaml"
    if main in now:
        started = _start(now[main], groups, features)
        if started and "Makefile" in now:
            chosen = re.search(r"^  - data: (\S+)", before[main], re.M)
            now["Makefile"] = now["Makefile"].replace(f"data/{chosen[1] if chosen else ''}", f"data/{started['data']}")
        now[main] = _without_groups(_options(now[main], groups, started), lost)
    for path in now:
        if path.startswith("configs/experiment/"):
            now[path] = _without_groups(_options(now[path], groups, {}), lost)
    if "params.yaml" in now:
        # Written again by the next run; until then it says nothing that the schema does not know.
        now["params.yaml"] = _without_groups(now["params.yaml"], lost)


def _start(text: str, groups: Mapping[str, set[str]], features: Features) -> dict[str, str]:
    """What the defaults choose instead, where the first experiment is gone: the first of the others that is there."""
    chosen = re.search(r"^  - experiment: (\S+)", text, re.M)
    if chosen is None or chosen[1] in groups.get("experiment", ()):
        return {}
    return next((one for one in features.starts if one["experiment"] in groups.get("experiment", ())), {})


def _options(text: str, groups: Mapping[str, set[str]], chosen: Mapping[str, str]) -> str:
    """Lines of defaults, without options that are gone; `chosen` says others instead."""
    kept = []
    for line in text.splitlines(keepends=True):
        match = re.match(r"^(\s+- (?:override /)?)([a-z_]+): ([\w-]+)(.*\n?)$", line)
        if match and match[2] in chosen and match[2] in groups:
            kept.append(f"{match[1]}{match[2]}: {chosen[match[2]]}{match[4]}")
        elif match and match[2] in groups and match[3] not in groups[match[2]]:
            if "none" in groups[match[2]]:
                kept.append(f"{match[1]}{match[2]}: none{match[4]}")
        else:
            kept.append(line)
    return "".join(kept)


def _without_groups(text: str, lost: Collection[str]) -> str:
    """YAML without the defaults and the keys of groups that are gone."""
    for group in lost:
        text = re.sub(rf"^\s+- (?:override /)?{group}: .*\n", "", text, flags=re.M)
        text = re.sub(rf"^{group}:.*\n(?:[ \t]+.*\n|- .*\n)*", "", text, flags=re.M)
    return text


# Pipeline and Makefile


def _pipeline(text: str, now: Texts, before: Mapping[str, str]) -> str:
    """dvc.yaml without dependencies and params that are gone."""
    lost = set(groups_of(before)) - set(groups_of(now))
    kept = []
    for line in text.splitlines(keepends=True):
        path = re.match(r"^\s+- ((?:src|configs)/[^\s#]+)", line)
        if path and not _stands(path[1], now):
            continue
        if (found := re.match(r"^(.*params:\s*|\s*)\[([\w., ]+)\](\s*)$", line)) is not None:
            names = [name for name in found[2].split(", ") if name.split(".")[0] not in lost]
            kept.append(f"{found[1]}[{', '.join(names)}]{found[3]}")
        else:
            kept.append(line)
    return "".join(kept)


def _stands(path: str, texts: Collection[str]) -> bool:
    return path in texts or any(other.startswith(f"{path}/") for other in texts)


def _makefile(text: str) -> str:
    """The Makefile, whose list of commands names only those that are there."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.M))

    def listed(match: re.Match[str]) -> str:
        return f".PHONY: {' '.join(name for name in match[1].split() if name in targets)}"

    text = re.sub(r"^\.PHONY: (.*)$", listed, text, flags=re.M)
    kept = []
    for line in text.splitlines(keepends=True):
        rule = re.match(r"^([a-z][a-z-]*): ([a-z -]+)(##.*\n)$", line)
        if rule:
            needed = [name for name in rule[2].split() if name in targets]
            kept.append(f"{rule[1]}: {' '.join(needed)}{' ' if needed else ''}{rule[3]}")
        else:
            kept.append(line)
    return "".join(kept)


# pyproject.toml and the locks


def _project(now: Texts, before: Mapping[str, str], features: Features, left_out: tuple[str, ...]) -> tuple[str, ...]:
    was, used = imported(before), imported(now)
    text = now["pyproject.toml"]
    name = _project_name(text)
    text = without(text, dead(text, was, used, features, left_out))
    text = _contracts(text, name, now)
    text = _untyped(text, was, used)
    now["pyproject.toml"] = text
    gone: tuple[str, ...] = ()
    if "requirements.lock" in now:
        now["requirements.lock"], gone = prune(now["requirements.lock"], set(declared(text)), name)
        if "deploy/requirements.lock" in now:
            now["deploy/requirements.lock"] = _serving(now["deploy/requirements.lock"], now["requirements.lock"])
    return gone


def _serving(lock: str, whole: str) -> str:
    return keep_only(lock, set(pinned(whole)))


def _project_name(pyproject: str) -> str:
    found = re.search(r'^name = "([^"]+)"', pyproject, re.M)
    return found[1] if found else ""


def _contracts(text: str, name: str, now: Texts) -> str:
    """Contracts of imports without modules that are gone."""
    start = text.find("[tool.importlinter]")
    if start < 0:
        return text

    def judged(match: re.Match[str]) -> str:
        kept = [one for one in match[2].split(" | ") if _module_stands(one, now)]
        return f'{match[1]}"{" | ".join(kept)}"{match[3]}' if kept else ""

    contracts = re.sub(rf'^(\s+)"({name}\.[^"]+)"(,\n)', judged, text[start:], flags=re.M)

    def inline(match: re.Match[str]) -> str:
        names = [
            one
            for one in re.findall(r'"([^"]+)"', match[2])
            if not one.startswith(f"{name}.") or _module_stands(one, now)
        ]
        return f"{match[1]}[{', '.join(f'{chr(34)}{one}{chr(34)}' for one in names)}]"

    return text[:start] + re.sub(r"^(\w+_modules = )\[(.+)\]", inline, contracts, flags=re.M)


def _module_stands(module: str, now: Texts) -> bool:
    if module.endswith(".*"):
        module = module.removesuffix(".*")
    path = f"src/{module.replace('.', '/')}"
    return f"{path}.py" in now or f"{path}/__init__.py" in now or _stands(path, now)


def _untyped(text: str, was: set[str], used: set[str]) -> str:
    """Mypy's list of libraries without types, without those that nobody imports any more."""

    def judged(match: re.Match[str]) -> str:
        return "" if match[1] in was and match[1] not in used else match[0]

    start = text.find("[[tool.mypy.overrides]]")
    end = text.find("ignore_missing_imports", start)
    if start < 0 or end < 0:
        return text
    return text[:start] + re.sub(r'"([\w.]+)\.\*",? ?', judged, text[start:end]) + text[end:]
