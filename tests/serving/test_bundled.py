"""What a bundle carries beside its graph: golden records, novelty, ranges, a signature. All in one small bundle."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from serving_world import table_world, written

from lightloop.errors import LightloopError, UsageError
from lightloop.release.bundle import complete_bundle, seal
from lightloop.serving.golden import Golden, check_golden, chosen
from lightloop.serving.manifest import FORMAT, GOLDEN, NOVELTY, SIGNATURE, hash_files, read_manifest, verify_bundle
from lightloop.serving.novelty import p_values
from lightloop.serving.predictor import Prediction, Predictor
from lightloop.serving.signature import check_signature, make_keys, name_keys, sign_bundle


@pytest.fixture(scope="module")
def world(repository, tmp_path_factory):
    return table_world(repository, tmp_path_factory.mktemp("bundled"))


@pytest.fixture
def bundle(world, tmp_path):
    shutil.copytree(world.bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_the_manifest_is_of_this_format_and_knows_nothing_of_serving(world):
    manifest = read_manifest(world.bundle)
    assert manifest.format == FORMAT == 4
    assert not {"serve", "monitor"} & manifest.config.keys()
    assert world.model.config.serve is not None


def test_golden_records_hold_the_features_alone_and_the_answers_of_the_graph(world):
    predictor = Predictor.load(world.bundle)
    golden = predictor.golden
    assert check_golden(predictor) == len(golden.records) == 8
    assert {key for record in golden.records for key in record} == {"size", "age", "town", "grade"}
    # They are records of the validation split, of each class.
    own = {json.dumps([row["age"], row["town"]]) for row in world.splits["validation"].to_pylist()}
    assert all(json.dumps([one["age"], one["town"]]) in own for one in golden.records)
    answers = [max(one) == one[0] for one in golden.answers]
    assert 0 < sum(answers) < 8
    by_torch = world.model.answers(predictor.table(list(golden.records)))["probabilities"]
    np.testing.assert_allclose(by_torch, golden.answers, atol=1e-5)


def test_another_model_does_not_pass_for_this_one(world, bundle):
    content = json.loads((bundle / GOLDEN).read_text())
    content["answers"][3][0] += 0.01
    (bundle / GOLDEN).write_text(json.dumps(content))
    with pytest.raises(LightloopError, match=r"golden\.json is changed in the bundle"):
        Predictor.load(bundle)
    seal(bundle)
    with pytest.raises(LightloopError, match=r"the bundle answers golden record 4 with .+, but .+ was released"):
        check_golden(Predictor.load(bundle))


def test_golden_answers_are_compared_with_care():
    golden = Golden(records=({"x": 1},), answers=((300.0, -2.0),), tolerance=1e-3)
    golden.check([[300.2, -2.0]])
    with pytest.raises(LightloopError, match=r"answers golden record 1 with 301, but 300 was released \(tolerance 0.3"):
        golden.check([[301.0, -2.0]])
    with pytest.raises(LightloopError, match="with nan, but -2 was released"):
        golden.check([[300.0, float("nan")]])
    with pytest.raises(LightloopError, match="the service answers 0 of 1 golden records"):
        golden.check([], "the service")
    with pytest.raises(LightloopError, match="answers golden record 1 by 1 numbers, not 2"):
        golden.check([[300.0]])


def test_golden_records_are_of_classes_in_turn(world):
    manifest = read_manifest(world.bundle)
    labels = ["cheap"] * 90 + ["dear"] * 10
    found = chosen(manifest, pa.table({"label": labels, "n": list(range(100))}), seed=0)
    assert found["label"].to_pylist() == ["cheap"] * 4 + ["dear"] * 4
    assert chosen(manifest, pa.table({"label": labels[:3]}), seed=0)["label"].to_pylist() == ["cheap"] * 3


def test_the_same_model_is_the_same_bytes_and_completing_again_changes_nothing(world, bundle, tmp_path):
    again = written(world.model, world.splits, tmp_path / "again")
    assert hash_files(again.bundle) == hash_files(world.bundle)
    before = verify_bundle(bundle)
    complete_bundle(
        bundle,
        world.splits["train"],
        world.splits["validation"],
        world.model.config.seed,
        test=world.splits["test"],
    )
    assert verify_bundle(bundle) == before


def test_records_like_the_training_records_are_novel_as_often_as_the_level_says(world):
    predictor = Predictor.load(world.bundle)
    assert predictor.manifest.novelty.level == 0.05
    test = world.splits["test"]
    p_N = predictor.score(test).novelty[1]
    # 80 test records, p-values of 64 validation ones: both are draws.
    assert 0.0 < (p_N <= 0.5).mean() < 0.75
    assert (p_N <= 0.05).mean() < 0.16
    random = np.random.default_rng(0)
    strange = [
        {"size": -500.0, "age": 400.0, "town": "Paris", "grade": "top"},
        *({"size": random.uniform(0, 5), "age": 49, "town": "Atlantis", "grade": None} for _ in range(20)),
    ]
    found = predictor.predict(strange)
    assert np.mean([one.novelty.novel for one in found]) > 0.9
    assert all(one.novelty.novel == (one.novelty.p_value <= 0.05) for one in found)
    # One by one or together is the same.
    alone = [predictor.predict([record])[0].novelty.score for record in strange[:5]]
    np.testing.assert_allclose(alone, [one.novelty.score for one in found[:5]], rtol=1e-4)


def test_conformal_p_values_are_valid():
    """Of exchangeable scores at most a share `level` has a p-value of `level` or less, whatever their distribution."""
    random = np.random.default_rng(0)
    below = []
    for _ in range(400):
        scores = random.gamma(0.3, size=40 + 50)
        below.append((p_values(scores[40:], np.sort(scores[:40])) <= 0.1).mean())
    assert 0.08 < np.mean(below) < 0.105
    assert p_values(np.array([np.inf]), np.arange(9.0)).tolist() == [0.1]


def test_warnings_say_what_is_unusual(world):
    predictor = Predictor.load(world.bundle)
    usual = predictor.golden.records[0] | {"age": 20, "town": "Rome", "grade": "low", "size": 100}
    (found,) = predictor.predict([usual])
    assert found.warnings == ()
    (found,) = predictor.predict([{"size": 1e6, "age": None, "town": "Paris", "grade": "low"}])
    assert isinstance(found, Prediction)
    first, second, third = found.warnings
    assert first.startswith("size is 1e+06, outside of the training records' ")
    assert second == "age is missing, which it is in no training record."
    assert third == "town is 'Paris', which no training record has."


def test_a_bundle_of_an_older_format_still_answers(bundle):
    content = json.loads((bundle / "bundle.json").read_text())
    del content["novelty"], content["ranges"], content["compression"]
    (bundle / "bundle.json").write_text(json.dumps(content | {"format": 2}))
    for name in (GOLDEN, NOVELTY):
        (bundle / name).unlink()
    seal(bundle)
    predictor = Predictor.load(bundle)
    assert check_golden(predictor) == 0
    (found,) = predictor.predict([{"size": 1, "age": 20, "town": "Rome", "grade": "low"}])
    assert found.novelty is None


def test_a_damaged_reference_is_one_sentence(bundle):
    np.savez(bundle / NOVELTY, mean=np.zeros(3))
    seal(bundle)
    with pytest.raises(LightloopError, match=r"novelty\.npz does not fit \(it has no rows\): run `lightloop run`"):
        Predictor.load(bundle)
    np.savez(bundle / NOVELTY, mean=np.array([{}], dtype=object), allow_pickle=True)
    seal(bundle)
    with pytest.raises(LightloopError, match=r"novelty\.npz does not fit \(Object arrays cannot be loaded"):
        Predictor.load(bundle)


# Signatures.


def test_a_signature_is_of_the_bundle_and_of_the_key(bundle, tmp_path, monkeypatch):
    private, public, other = tmp_path / "a.key", tmp_path / "a.pub", tmp_path / "b.pub"
    make_keys(private, public)
    make_keys(tmp_path / "b.key", other)
    assert private.stat().st_mode & 0o077 == 0
    digest = verify_bundle(bundle)
    Predictor.load(bundle)
    with pytest.raises(LightloopError, match=r"is not signed, but .+ asks for it"):
        Predictor.load(bundle, public_key=public)
    monkeypatch.setenv("LIGHTLOOP_SIGN_KEY", str(private))
    seal(bundle)
    # Signing makes it no other bundle, and is the same each time.
    assert verify_bundle(bundle) == digest
    signature = (bundle / SIGNATURE).read_bytes()
    assert sign_bundle(bundle, private)
    assert (bundle / SIGNATURE).read_bytes() == signature
    assert Predictor.load(bundle, public_key=public).digest == digest
    monkeypatch.setenv("LIGHTLOOP_PUBLIC_KEY", str(other))
    with pytest.raises(LightloopError, match=r"is not signed with the key of .+b\.pub"):
        Predictor.load(bundle)
    # A bundle that was changed and sealed again has the old signature.
    monkeypatch.delenv("LIGHTLOOP_SIGN_KEY")
    monkeypatch.setenv("LIGHTLOOP_PUBLIC_KEY", str(public))
    (bundle / "bundle.json").write_bytes((bundle / "bundle.json").read_bytes() + b"\n")
    seal(bundle, sign=False)
    with pytest.raises(LightloopError, match="is not signed with the key"):
        Predictor.load(bundle)
    seal(bundle)
    assert not (bundle / SIGNATURE).exists()


def test_keys_of_the_config_count_where_the_environment_names_none(bundle, tmp_path, monkeypatch):
    for name in ("LIGHTLOOP_SIGN_KEY", "LIGHTLOOP_PUBLIC_KEY"):
        monkeypatch.setenv(name, "")
    make_keys(tmp_path / "a.key", tmp_path / "a.pub")
    make_keys(tmp_path / "b.key", tmp_path / "b.pub")
    name_keys(tmp_path)
    assert not sign_bundle(bundle)
    name_keys(tmp_path, sign="a.key", public="a.pub")
    assert sign_bundle(bundle)
    assert check_signature(bundle)
    # What the environment names goes before the config.
    name_keys(tmp_path, public="b.pub")
    assert check_signature(bundle)
    monkeypatch.setenv("LIGHTLOOP_PUBLIC_KEY", "")
    name_keys(tmp_path, public="b.pub")
    with pytest.raises(LightloopError, match=r"is not signed with the key of .+b\.pub"):
        Predictor.load(bundle)


@pytest.mark.parametrize("content", ["", "{}", '{"signature": "%%"}', '{"signature": 5}', "[]", '{"signature": ""}'])
def test_a_damaged_signature_is_none(bundle, tmp_path, content):
    make_keys(tmp_path / "a.key", tmp_path / "a.pub")
    (bundle / SIGNATURE).write_text(content)
    with pytest.raises(LightloopError, match="is not signed with the key"):
        check_signature(bundle, tmp_path / "a.pub")


def test_wrong_keys_are_one_sentence(bundle, tmp_path):
    make_keys(tmp_path / "a.key", tmp_path / "a.pub")
    with pytest.raises(UsageError, match=r"a\.pub is no private Ed25519 key in a PEM file: make one with"):
        sign_bundle(bundle, tmp_path / "a.pub")
    with pytest.raises(UsageError, match=r"a\.key is no public Ed25519 key in a PEM file"):
        check_signature(bundle, tmp_path / "a.key")
    with pytest.raises(UsageError, match="nowhere is no public Ed25519 key"):
        check_signature(bundle, tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"a\.key is there already"):
        make_keys(tmp_path / "a.key", tmp_path / "c.pub")


LIGHT = """
import pickle, sys
def refused(*_, **__): raise SystemExit("a pickle is loaded")
from lightloop.serving.predictor import Predictor
from lightloop.serving.golden import check_golden
from lightloop.serving.light import keep_pandas_out
from pathlib import Path
import json
# of feature: serving
from lightloop.batch.predict import predict_file
# end
pickle.load = pickle.loads = refused
class Unpickler(pickle.Unpickler):
    __init__ = refused
pickle.Unpickler = pickle._Unpickler = Unpickler
folder, scratch = map(Path, sys.argv[1:])
assert keep_pandas_out()
predictor = Predictor.load(folder)
assert check_golden(predictor) == 8
assert len(predictor.predict(list(predictor.golden.records))) == 8
# of feature: serving
(scratch / "in.jsonl").write_text("".join(json.dumps(one) + chr(10) for one in predictor.golden.records))
assert predict_file(folder, scratch / "in.jsonl", scratch / "out.csv").scored == 8
# end
heavy = {"torch", "pytorch_lightning", "lightning", "sklearn", "pandas", "scipy", "onnx"} & set(sys.modules)
# of feature: image
heavy |= {"timm"} & set(sys.modules)
# end
print(sorted(heavy))
"""


def test_answering_loads_no_torch_and_no_pickle(world, tmp_path):
    command = [sys.executable, "-c", LIGHT, str(world.bundle), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
