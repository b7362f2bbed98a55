"""The config of a component is its signature, read without importing it."""

import inspect
import typing

import pytest
from pydantic import ValidationError

from lightloop.config.signature import components, read_component


@pytest.mark.parametrize("room", ["networks", "tasks"])
def test_what_is_read_is_what_python_sees(room: str):
    for component in components(room).values():
        signature = inspect.signature(component.load().__init__)
        hints = typing.get_type_hints(component.load().__init__)
        keyword_only = {n: p for n, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY}
        fields = {name: field for name, field in component.model.model_fields.items() if name != "name"}
        assert {n: p.default for n, p in keyword_only.items()} == {n: f.default for n, f in fields.items()}
        assert {n: hints[n] for n in keyword_only} == {n: f.annotation for n, f in fields.items()}


def test_a_new_network_is_one_file(tmp_path):
    path = tmp_path / "two_words.py"
    path.write_text(
        '"""A module."""\nimport a_library_that_is_not_installed\n\n'
        'class TwoWords:\n    """What it is.\n\n    More."""\n    modalities: ClassVar = ("image",)\n'
        "    def __init__(self, shape, outputs, *, width: int, mode: Literal['a', 'b'] = 'a') -> None: ...\n"
    )
    component = read_component(path, "networks")
    assert component is not None
    assert (component.name, component.class_name, component.summary) == ("two_words", "TwoWords", "What it is.")
    assert component.traits == {"modalities": ("image",)}
    assert component.model(width=3).arguments() == {"width": 3, "mode": "a"}
    with pytest.raises(ValidationError, match="width"):
        component.model()
    with pytest.raises(ValidationError, match="mode"):
        component.model(width=3, mode="c")


def test_a_file_without_a_class_of_its_name_is_no_component(tmp_path):
    path = tmp_path / "helpers.py"
    path.write_text("class Other: ...\n")
    assert read_component(path, "networks") is None
