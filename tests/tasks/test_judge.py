"""The project's own classifier: it learns, is the same each time, and its graph answers as it does."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from gan_world import tiny_config, tiny_project

from lightloop.data.image.records import decode_images
from lightloop.data.records import label_codes
from lightloop.data.splits import read_splits
from lightloop.evaluation.features import Judge as Answering
from lightloop.networks._inputs import ImageInputs
from lightloop.tasks.judge import Judge, judge_graph, read_judge, train_judge


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory):
    return tiny_project(tmp_path_factory.mktemp("judge") / "project")


@pytest.fixture(scope="module")
def spec(project):
    return tiny_config(project).data


@pytest.fixture(scope="module")
def records(project, spec):
    tables = read_splits(spec, project.root, 0)
    return {
        part: (
            torch.from_numpy(decode_images(table["image"].to_pylist(), spec.size, spec.channels)),
            torch.from_numpy(label_codes(table["label"].to_pylist(), spec.classes)),
        )
        for part, table in tables.items()
    }


@pytest.mark.slow
def test_it_learns_and_its_graph_says_the_same(records, spec):
    judge = train_judge(*records["train"], spec, epochs=25)
    pixels, labels = records["test"]
    predicted = judge.classify(pixels).argmax(1)
    assert (predicted == labels).float().mean() > 0.55  # 270 images of 8 by 8 pixels; chance is 0.1
    features, classes = Answering(judge_graph(judge, spec)).judged(pixels.numpy())
    np.testing.assert_allclose(features, judge(pixels).numpy(), atol=1e-4)
    np.testing.assert_array_equal(classes, predicted.numpy())


@pytest.mark.parametrize("size", [(1, 28, 28), (3, 5, 9), (3, 70, 64), (1, 2, 2)])
def test_any_size_has_features_and_the_graph_answers(size, spec):
    torch.manual_seed(0)
    channels, height, width = size
    judge = Judge(ImageInputs(*size), len(spec.classes)).eval()
    other = spec.model_copy(update={"channels": channels, "size": (height, width)})
    pixels = torch.randint(256, (3, *size), dtype=torch.uint8)
    features, _ = Answering(judge_graph(judge, other)).judged(pixels.numpy())
    assert features.shape == (3, judge.num_features)
    np.testing.assert_allclose(features, judge(pixels).detach().numpy(), atol=1e-5)


@pytest.mark.slow
def test_it_is_the_same_whatever_seed_divided_the_records(project, spec, tmp_path):
    made = []
    for seed in (0, 1):
        tables = read_splits(spec, project.root, seed)
        made.append(read_judge(spec, [tables["train"], tables["validation"]], tmp_path / str(seed)))
    for first, second in zip(made[0].state_dict().values(), made[1].state_dict().values(), strict=True):
        assert torch.equal(first, second)
    assert judge_graph(made[0], spec) == judge_graph(made[1], spec)
    again = read_judge(spec, [tables["train"], tables["validation"]], tmp_path / "1")
    assert torch.equal(again.last.weight, made[1].last.weight)
    assert len(list((tmp_path / "1" / "judge").iterdir())) == 1


def test_training_it_leaves_torchs_random_numbers_alone(records, spec):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train_judge(*(part[:20] for part in records["train"]), spec, epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_its_graph_names_no_path(spec):
    judge = Judge(ImageInputs(1, *spec.size), len(spec.classes)).eval()
    graph = onnx.load_from_string(judge_graph(judge, spec))
    notes = [graph.doc_string, graph.graph.doc_string, *(node.doc_string for node in graph.graph.node)]
    assert not any(notes)
    assert not graph.metadata_props
    assert not any(node.metadata_props for node in graph.graph.node)
    assert str(Path(__file__).parent.parent).encode() not in graph.SerializeToString()
