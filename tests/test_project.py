"""Where things lie, and which version of the data this is."""

import re

import pytest

from lightloop.errors import LightloopError, UsageError
from lightloop.project import Project


def test_it_is_found_from_any_folder_below(repository: Project):
    assert Project.find(repository.root / "src" / "lightloop" / "stages") == repository


def test_elsewhere_it_is_not_found(tmp_path):
    with pytest.raises(UsageError, match="is not inside a Lightloop project"):
        Project.find(tmp_path)


def test_every_path_lies_in_the_project_once(repository: Project):
    names = [name for name, member in vars(Project).items() if isinstance(member, property)]
    paths = [getattr(repository, name) for name in names]
    assert len(set(paths)) == len(paths) > 20
    assert all(path.is_relative_to(repository.root) for path in paths)


def test_the_data_version_is_the_one_of_dvc(repository: Project, tmp_path):
    version = repository.data_version()
    assert re.fullmatch(r"[0-9a-f]{32}\.dir", str(version))
    assert str(version) in (repository.root / "data.dvc").read_text()
    assert Project(tmp_path).data_version() is None


def test_a_folder_of_a_git_repository_is_in_git(tmp_path):
    (tmp_path / "shop" / ".git").mkdir(parents=True)
    assert Project(tmp_path / "shop" / "ml").in_git()
    assert not Project(tmp_path / "other" / "ml").in_git()


@pytest.mark.parametrize(
    "content", ["", "outs: []", "outs: 3", "outs: [{path: data}]", "outs: [{md5: a, path: b}]", "{"]
)
def test_a_damaged_data_file_is_said(tmp_path, content: str):
    (tmp_path / "data.dvc").write_text(content)
    with pytest.raises(LightloopError, match=r"data\.dvc does not record the folder data: version it"):
        Project(tmp_path).data_version()
