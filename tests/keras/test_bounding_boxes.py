"""Boxes in images: their formats, what cuts and compares them, and layers that move them with their images."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import layers
from chainrule.keras.utils import bounding_boxes as boxes

BOX = np.array([[10.0, 20.0, 30.0, 60.0]], "float32")  # in an image of height 100 and width 50
WRITTEN = {
    "xyxy": [10, 20, 30, 60],
    "yxyx": [20, 10, 60, 30],
    "xywh": [10, 20, 20, 40],
    "center_xywh": [20, 40, 20, 40],
    "center_yxhw": [40, 20, 40, 20],
    "rel_xyxy": [0.2, 0.2, 0.6, 0.6],
    "rel_yxyx": [0.2, 0.2, 0.6, 0.6],
    "rel_xywh": [0.2, 0.2, 0.4, 0.4],
    "rel_center_xywh": [0.4, 0.4, 0.4, 0.4],
}


@pytest.mark.parametrize(("source", "target"), [*product(WRITTEN, WRITTEN)])
def test_formats(source: str, target: str) -> None:
    found = boxes.convert_format([WRITTEN[source]], source, target.upper(), height=100, width=50)
    np.testing.assert_allclose(found, [WRITTEN[target]], rtol=1e-6)


def test_formats_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="no format"):
        boxes.convert_format(BOX, "xyxy", "corners")
    with pytest.raises(ValueError, match="height"):
        boxes.convert_format(BOX, "xyxy", "rel_xyxy", width=50)
    with pytest.raises(ValueError, match="length 4"):
        boxes.convert_format(np.ones((2, 5)), "xyxy", "xywh")


def test_clipping_marks_what_is_outside() -> None:
    given = {"boxes": np.array([[-10.0, -20, 15, 16], [150, 40, 170, 80]]), "labels": np.array([0, 1])}
    found = boxes.clip_to_image_size(given, height=100, width=120)
    np.testing.assert_array_equal(found["boxes"], [[0, 0, 15, 16], [120, 40, 120, 80]])
    np.testing.assert_array_equal(found["labels"], [0, -1])
    np.testing.assert_array_equal(given["labels"], [0, 1])


def test_overlaps() -> None:
    first = np.array([[0.0, 0, 4, 4], [2, 2, 6, 6], [-1, -1, -1, -1]])
    second = np.array([[0.0, 0, 4, 4], [8, 8, 9, 9]])
    found = boxes.compute_iou(first, second, "xyxy")
    np.testing.assert_allclose(found, [[1, 0], [4 / 28, 0], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(boxes.compute_iou(np.stack([first] * 2), second, "xyxy"), [found.numpy()] * 2)
    masked = boxes.compute_iou(first, second, "xyxy", use_masking=True)
    np.testing.assert_array_equal(masked.numpy()[2], [-1, -1])
    same, apart = boxes.compute_ciou([[0.0, 0, 4, 4], [0, 0, 4, 4]], [[0.0, 0, 4, 4], [8, 0, 12, 4]], "xyxy").numpy()
    assert same == pytest.approx(1, abs=1e-5)
    assert apart == pytest.approx(-64 / 160, abs=1e-5)  # no overlap, no other shape: only the middles' distance


@pytest.mark.parametrize("encoding", ["center_xywh", "center_yxhw"])
def test_deltas_lead_back(encoding: str) -> None:
    rng = np.random.default_rng(0)
    anchors, targets = rng.uniform(1, 9, (5, 4)), rng.uniform(1, 9, (2, 5, 4))
    arguments = ("xywh", "xywh", encoding, [0.1, 0.1, 0.2, 0.2])
    deltas = boxes.encode_box_to_deltas(anchors, targets, *arguments)
    np.testing.assert_allclose(boxes.decode_deltas_to_boxes(anchors, deltas, *arguments), targets, rtol=1e-4, atol=1e-4)


def seen(image: np.ndarray) -> list[int]:
    """left, top, right, bottom of what is bright."""
    rows, columns = (np.flatnonzero(image.max(axis) > 0.5) for axis in (1, 0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("RandomFlip", {"seed": 2}),
        ("RandomCrop", {"height": 30, "width": 36, "seed": 2}),
        ("CenterCrop", {"height": 30, "width": 36}),
        ("Resizing", {"height": 80, "width": 24}),
        ("Resizing", {"height": 60, "width": 60, "pad_to_aspect_ratio": True}),
        ("Resizing", {"height": 60, "width": 60, "crop_to_aspect_ratio": True}),
        ("RandomTranslation", {"height_factor": 0.2, "width_factor": 0.2, "fill_mode": "constant", "seed": 2}),
        ("RandomZoom", {"height_factor": 0.2, "width_factor": 0.2, "fill_mode": "constant", "seed": 2}),
        ("RandomRotation", {"factor": (0.5, 0.5), "fill_mode": "constant"}),
        ("RandomBrightness", {"factor": 0.0}),
    ],
)
def test_boxes_stay_around_what_they_show(name: str, options: dict, data_format: str) -> None:
    """A bright rectangle and its box, moved: the box still surrounds it, to a pixel."""
    images = np.zeros((2, 40, 48, 1), "float32")
    images[:, 18:26, 20:32] = 1
    if data_format == "channels_first":
        images = images.transpose(0, 3, 1, 2)
    if name != "RandomBrightness":
        options = {**options, "data_format": data_format}
    layer = getattr(layers, name)(bounding_box_format="xywh", **options)
    given = {"boxes": np.full((2, 1, 4), [20, 18, 12, 8], "float32"), "labels": np.array([[3], [4]])}
    found = layer({"images": images, "bounding_boxes": given}, training=True)
    moved = boxes.convert_format(found["bounding_boxes"]["boxes"], "xywh", "xyxy").numpy()
    for image, (box,) in zip(found["images"].numpy(), moved, strict=True):
        plane = image[..., 0] if data_format == "channels_last" else image[0]
        np.testing.assert_allclose(box, seen(plane), atol=1.1)
    np.testing.assert_array_equal(found["bounding_boxes"]["labels"], [[3], [4]])
    single = layer({"images": images[0], "bounding_boxes": {k: v[0] for k, v in given.items()}}, training=True)
    assert single["bounding_boxes"]["boxes"].shape == (1, 4)
    assert layer.get_config()["bounding_box_format"] == "xywh"


def test_layers_say_what_is_missing() -> None:
    data = {
        "images": np.zeros((1, 8, 8, 3)),
        "bounding_boxes": {"boxes": np.zeros((1, 1, 4)), "labels": np.zeros((1, 1))},
    }
    with pytest.raises(ValueError, match="bounding_box_format"):
        layers.RandomFlip()(data, training=True)
    with pytest.raises(ValueError, match="'labels'"):
        layers.RandomFlip(bounding_box_format="xyxy")({**data, "bounding_boxes": {"boxes": np.zeros((1, 1, 4))}})
    with pytest.raises(ValueError, match="must be one of"):
        layers.RandomFlip(bounding_box_format="corners")
    for name in ("RandomPerspective", "RandomElasticTransform", "RandAugment", "CutMix"):
        with pytest.raises(NotImplementedError, match=name):
            getattr(layers, name)(bounding_box_format="xyxy")(data, training=True)


def test_max_num_bounding_boxes() -> None:
    data = {
        "images": np.zeros((2, 8, 8, 3), "uint8"),
        "bounding_boxes": {"boxes": np.ones((2, 3, 4), "float32"), "labels": np.ones((2, 3), "int32")},
    }
    found = layers.MaxNumBoundingBoxes(5, bounding_box_format="xyxy")(data)["bounding_boxes"]
    np.testing.assert_array_equal(found["labels"], [[1, 1, 1, -1, -1]] * 2)
    assert found["boxes"].shape == (2, 5, 4)
    assert (found["boxes"].numpy()[:, 3:] == -1).all()
    fewer = layers.MaxNumBoundingBoxes(2, fill_value=0, bounding_box_format="xyxy")
    assert fewer(data)["bounding_boxes"]["boxes"].shape == (2, 2, 4)
    assert layers.MaxNumBoundingBoxes.from_config(fewer.get_config()).fill_value == 0
    assert fewer.compute_output_shape({"bounding_boxes": {"boxes": (2, 3, 4), "labels": (2, 3)}}) == {
        "bounding_boxes": {"boxes": (2, 2, 4), "labels": (2, 2)}
    }


def test_boxes_against_keras() -> None:
    keras_boxes = pytest.importorskip("keras").utils.bounding_boxes
    rng = np.random.default_rng(1)
    given = rng.uniform(0, 40, (3, 5, 4)).astype("float32")
    angle, tx, ty, scale, sx, sy = (rng.uniform(*bounds, 3).astype("float32") for bounds in _BOUNDS)
    arguments = (angle, tx, ty, scale, sx, sy, 40, 50)
    tensors = [keras_boxes.convert_format(given, "xyxy", "xyxy"), *map(_like_keras, arguments)]
    np.testing.assert_allclose(
        boxes.affine_transform(given, *arguments), np.asarray(keras_boxes.affine_transform(*tensors)), atol=2e-3
    )
    other = given + 3
    for of in ("compute_iou", "compute_ciou"):
        np.testing.assert_allclose(
            getattr(boxes, of)(given, other, "xyxy"),
            np.asarray(getattr(keras_boxes, of)(given, other, "xyxy")),
            atol=1e-5,
        )


_BOUNDS = ((-90, 90), (-0.2, 0.2), (-0.2, 0.2), (0.5, 2), (-30, 30), (-30, 30))


def _like_keras(x: object) -> object:
    real = pytest.importorskip("keras")
    return real.ops.convert_to_tensor(x) if isinstance(x, np.ndarray) else x


def test_public_names() -> None:
    assert keras.utils.bounding_boxes is boxes
