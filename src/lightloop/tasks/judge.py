"""The project's own classifier, whose features generated images are judged by. Trained on the labelled training images.

Shapes: N records, B batch, C channels, H height, W width, D features, K classes.
"""

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lightloop.config.image import ImageSpec
from lightloop.data.image.records import decode_images
from lightloop.data.records import label_codes
from lightloop.files import replacing
from lightloop.networks._inputs import ImageInputs

CHANNELS = (16, 32, 64)
EPOCHS = 3
BATCH = 128
RATE = 0.006
# Not the seed of the run: runs with different seeds are judged by the same features.
SEED = 0
# Larger images are averaged down to about as many pixels a side, since training would take too long.
SIDE = 32
OPSET = 20


class Judge(nn.Module):
    """A small CNN: pixels to features, the mean over positions of its last activation, and to logits.

    It is a yardstick, so it is not made of the networks that a config can name: those may change.

    Args:
        inputs: size and channels of the images, each side at least 2 pixels.
        classes: K.

    Attributes:
        num_features: D.

    Examples:
        >>> judge = Judge(ImageInputs(1, 28, 28), 10).eval()
        >>> judge(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
        torch.Size([2, 64])
    """

    def __init__(self, inputs: ImageInputs, classes: int) -> None:
        super().__init__()
        shortest = min(inputs.height, inputs.width)
        self.pool = max(1, shortest // SIDE)
        # Each stage halves the image; at least one pixel must be left.
        stages = min(len(CHANNELS), max(1, (shortest // self.pool).bit_length() - 1))
        layers: list[nn.Module] = []
        for width, following in pairwise((inputs.channels, *CHANNELS[-stages:])):
            layers += [*_convolution(width, following), *_convolution(following, following), nn.AvgPool2d(2)]
        self.layers = nn.Sequential(*layers)
        self.num_features = CHANNELS[-1]
        self.last = nn.Linear(self.num_features, classes)

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """Features (B, D), float32, of pixels, uint8 or float on the scale 0 to 255."""
        x_BCHW = nn.functional.avg_pool2d(pixels_BCHW.float() / 255, self.pool)
        features_BD: Tensor = self.layers(x_BCHW).mean((2, 3))
        return features_BD

    def classify(self, pixels_BCHW: Tensor) -> Tensor:
        """Logits (B, K) of the same."""
        logits_BK: Tensor = self.last(self(pixels_BCHW))
        return logits_BK


def _convolution(width: int, following: int) -> list[nn.Module]:
    return [nn.Conv2d(width, following, 3, padding=1, bias=False), nn.BatchNorm2d(following), nn.ReLU()]


def read_judge(spec: ImageSpec, tables: list[pa.Table], scratch: Path) -> Judge:
    """The judge of a data set: trained now, or read when the same images, code and libraries made it before.

    Args:
        spec: the data set, with classes.
        tables: labelled records, of which it learns; never the test split.
        scratch: the project's, where it is kept. Removing it costs nothing but the time to train again.

    Raises:
        RefusedError: an image does not decode, or a label is not one of the classes.
    """
    # In the order of the files, whatever seed divided them.
    table = pa.concat_tables([part.select(["id", "image", "label"]) for part in tables]).sort_by("id")
    pixels_NCHW = torch.from_numpy(decode_images(table["image"].to_pylist(), spec.size, spec.channels))
    labels_N = torch.from_numpy(label_codes(table["label"].to_pylist(), spec.classes))
    judge = Judge(ImageInputs(spec.channels, *spec.size), len(spec.classes))
    path = scratch / "judge" / f"{_fingerprint(pixels_NCHW, labels_N, spec)}.safetensors"
    if path.exists():
        judge.load_state_dict(load(path.read_bytes()))
        return judge.eval().requires_grad_(False)
    judge = train_judge(pixels_NCHW, labels_N, spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(save(judge.state_dict()))
    return judge


def train_judge(pixels_NCHW: Tensor, labels_N: Tensor, spec: ImageSpec, epochs: int = EPOCHS) -> Judge:
    """Fit a judge to pixels, uint8, and their classes; the same input gives the same weights. In evaluation mode."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(SEED)
        judge = Judge(ImageInputs(spec.channels, *spec.size), len(spec.classes)).train()
        optimizer = torch.optim.AdamW(judge.parameters(), lr=RATE, weight_decay=0.05)
        steps = epochs * -(-len(pixels_NCHW) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(pixels_NCHW)).split(BATCH):
                loss = nn.functional.cross_entropy(judge.classify(pixels_NCHW[rows]), labels_N[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return judge.eval().requires_grad_(False)


def judge_graph(judge: Judge, spec: ImageSpec) -> bytes:
    """The judge as an ONNX graph: `image` (N, C, H, W), uint8, to `features` (N, D) and `logits` (N, K), float32.

    Written node by node, so that it holds nothing but the arithmetic, and the same judge gives the same bytes.
    """
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []
    value = "image"

    def add(kind: str, *tensors: Tensor, **attributes: object) -> None:
        nonlocal value
        names = [f"weight{len(weights) + place}" for place in range(len(tensors))]
        for name, tensor in zip(names, tensors, strict=True):
            weights.append(numpy_helper.from_array(np.ascontiguousarray(tensor.detach().numpy()), name))
        following = f"value{len(nodes)}"
        nodes.append(helper.make_node(kind, [value, *names], [following], **attributes))
        value = following

    def pool(size: int) -> None:
        add("AveragePool", kernel_shape=[size, size], strides=[size, size])

    add("Cast", to=TensorProto.FLOAT)
    add("Div", torch.tensor(255.0))
    pool(judge.pool)
    for place, layer in enumerate(judge.layers):
        match layer:
            case nn.Conv2d():
                norm = judge.layers[place + 1]
                assert isinstance(norm, nn.BatchNorm2d)
                fused = fuse_conv_bn_eval(layer.eval(), norm.eval())
                assert fused.bias is not None
                add("Conv", fused.weight, fused.bias, pads=[1, 1, 1, 1])
            case nn.ReLU():
                add("Relu")
            case nn.AvgPool2d():
                pool(2)
    add("GlobalAveragePool")
    add("Flatten")
    nodes[-1].output[0] = value = "features"
    add("Gemm", judge.last.weight, judge.last.bias, transB=1)
    nodes[-1].output[0] = "logits"

    graph = helper.make_graph(
        nodes,
        "judge",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", spec.channels, *spec.size])],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", judge.num_features]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(spec.classes)]),
        ],
        weights,
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, producer_name="lightloop", opset_imports=[opset], ir_version=10)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _fingerprint(pixels_NCHW: Tensor, labels_N: Tensor, spec: ImageSpec) -> str:
    """Names a judge by all that decides its weights."""
    digest = hashlib.sha256(f"{torch.__version__} {torch.get_num_threads()} {spec.classes}".encode())
    digest.update(pixels_NCHW.numpy().tobytes())
    digest.update(labels_N.numpy().tobytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:16]
