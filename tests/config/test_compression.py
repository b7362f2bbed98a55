"""Ways to a smaller bundle as a config says them."""

import pytest

from lightloop.config.compose import compose_config, validate_config
from lightloop.config.compression import Compress, Distil, Narrow, StaticInt8, bound_of
from lightloop.config.students import student_network
from lightloop.errors import UsageError


def with_methods(config, **methods):
    compress = {"name": "quick", "methods": methods}
    return validate_config(config.model_dump(mode="json") | {"compress": compress})


def test_steps_have_a_short_form(config):
    found = with_methods(config, a="static_int8", b=[{"name": "narrow", "keep": 0.25}, "static_int8"], c=None).compress
    assert isinstance(found, Compress)
    assert found.methods == {
        "a": (StaticInt8(name="static_int8"),),
        "b": (Narrow(name="narrow", keep=0.25), StaticInt8(name="static_int8")),
    }


def test_the_bound_is_the_gates_margin_where_none_is_said(repository):
    config = compose_config(repository, ["compress=quick", "gate.margin=0.03"])
    assert bound_of(config) == (0.03, "config gate.margin")
    own = compose_config(repository, ["compress=quick", "compress.max_loss=0.002"])
    assert bound_of(own) == (0.002, "config compress.max_loss")


@pytest.mark.parametrize("experiment", ["fashion", "loans", "spam", "co2"])
def test_every_experiment_takes_every_way(repository, experiment):
    config = compose_config(repository, [f"experiment={experiment}", "compress=full"])
    assert {"dynamic_int8", "static_int8", "float16", "pruned", "narrow", "student"} <= config.compress.methods.keys()


@pytest.mark.parametrize(
    ("methods", "sentence"),
    [
        ({"a": "int8"}, r"compress\.methods\.a\.name is 'int8': did you mean 'static_int8'"),
        ({"a": ["static_int8", "float16"]}, r"compress\.methods\.a is static_int8, float16: one step of dynamic_int8"),
        ({"a": ["static_int8", "prune"]}, r"compress\.methods\.a is static_int8, prune: one step of .* as the last"),
        ({"../a": "float16"}, r"a method '\.\./a': name it by letters, digits, _ and -"),
        ({"float": "float16"}, r"a method 'float', which is the network itself"),
        ({"a": {"name": "narrow", "keep": 1.0}}, r"keep is 1\.0: input should be less than 1"),
        ({"a": {"name": "distil", "network": {"name": "gru"}}}, r"methods\.a: a student's network is gru, which does"),
        ({"a": {"name": "distil", "network": {"name": "cmm"}}}, r"methods\.a: a student's network is 'cmm', which is"),
        ({"a": {"name": "distil", "network": {"chanels": [4]}}}, r"methods\.a: a student's network cnn can't have cha"),
    ],
)
def test_what_does_not_fit_is_one_sentence(config, methods, sentence):
    with pytest.raises(UsageError, match=sentence):
        with_methods(config, **methods)


def test_what_is_generated_is_not_compressed(repository):
    with pytest.raises(UsageError, match=r"compress=quick is not for generation.*say compress=none"):
        compose_config(repository, ["experiment=fashion-gan", "compress=quick"])


def test_a_student_is_the_same_network_with_smaller_widths(repository):
    config = compose_config(repository, ["experiment=fashion"])
    found = student_network(config, Distil(name="distil"))
    assert found.arguments()["channels"] == (16, 24, 32)
    assert found.arguments()["dropout"] == config.network.arguments()["dropout"]
    own = student_network(config, Distil(name="distil", network={"channels": [5, 6]}, shrink=0.1))
    assert own.arguments()["channels"] == (5, 6)
    other = student_network(config, Distil(name="distil", network={"name": "mlp", "hidden": [12]}))
    assert (other.name, other.arguments()["hidden"]) == ("mlp", (12,))
