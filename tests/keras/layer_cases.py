"""Random configurations of every layer of chainrule.keras: what to build, what to feed it.

A case is made with the names that chainrule.keras and Keras share, so that the same one builds both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Generator = np.random.Generator


@dataclass
class Case:
    """A layer (made from a library's `layers`), and a call of it."""

    make: Callable[[Any], Any]
    inputs: tuple[np.ndarray | list[str], ...]
    together: bool = False  # the inputs are one argument, a list
    call: dict[str, Any] = field(default_factory=dict)
    masked: bool = False  # the layer is fed after a Masking: its output's mask is compared too
    smooth: bool = True  # gradients of inputs and weights are defined
    continuous: bool = True  # and are what finite differences show

    def arguments(self, inputs: Any) -> tuple[Any, ...]:
        return (list(inputs),) if self.together else tuple(inputs)


CASES: dict[str, Callable[[Generator], Case]] = {}


def case(*names: str) -> Callable[[Callable[..., Case]], Callable[..., Case]]:
    """Declares the generator of these layers' cases; one of several layers is given the name."""

    def declare(generator: Callable[..., Case]) -> Callable[..., Case]:
        for name in names:
            CASES[name] = lambda rng, name=name: generator(rng, name)
        return generator

    return declare


def plain(name: str, options: dict[str, Any], *inputs: Any, **extra: Any) -> Case:
    return Case(lambda layers: getattr(layers, name)(**options), inputs, **extra)


def pick(rng: Generator, *options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def chance(rng: Generator) -> bool:
    return bool(rng.random() < 0.5)


def normal(rng: Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype("float32")


def any_shape(rng: Generator, least: int = 1, most: int = 3) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(2, 6, int(rng.integers(least, most + 1)) + 1))


def sizes(rng: Generator, rank: int, least: int, most: int) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(least, most + 1, rank))


def rank_of(name: str) -> int:
    return int(name[name.index("D", name.index(next(c for c in name if c.isdigit()))) - 1])


def image(rng: Generator, rank: int, channels: int, data_format: str, least: int = 6) -> np.ndarray:
    lengths = sizes(rng, rank, least, least + 4 - rank)
    batch = int(rng.integers(1, 4))
    shape = (batch, *lengths, channels) if data_format == "channels_last" else (batch, channels, *lengths)
    return normal(rng, *shape)


def formats(rng: Generator) -> str:
    return pick(rng, "channels_last", "channels_first")


# ---- Dense, embedding, activations ----------------------------------------------------------------------------------


@case("Dense")
def dense(rng: Generator, name: str) -> Case:
    options = {
        "units": int(rng.integers(1, 7)),
        "activation": pick(rng, None, "tanh", "sigmoid", "gelu", "softmax"),
        "use_bias": chance(rng),
        "kernel_regularizer": pick(rng, None, "l2"),
    }
    return plain(name, options, normal(rng, *any_shape(rng)))


@case("EinsumDense")
def einsum_dense(rng: Generator, name: str) -> Case:
    equation, output_shape, bias_axes = pick(
        rng,
        ("ab,bc->ac", 5, "c"),
        ("abc,cd->abd", (None, 6), "d"),
        ("abc,cde->abde", (None, 2, 3), pick(rng, "de", "e", None)),
        ("...x,xy->...y", 4, "y"),
    )
    options = {"equation": equation, "output_shape": output_shape, "bias_axes": bias_axes}
    options["activation"] = pick(rng, None, "tanh")
    rank = 2 if equation.startswith("ab,") else 3
    return plain(name, options, normal(rng, *sizes(rng, rank, 2, 5)))


@case("Embedding", "ReversibleEmbedding")
def embedding(rng: Generator, name: str) -> Case:
    options: dict[str, Any] = {"input_dim": 9, "output_dim": int(rng.integers(1, 6)), "mask_zero": chance(rng)}
    call = {}
    ids: Any = rng.integers(0, 9, any_shape(rng, 1, 2)).astype("int32")
    if name == "ReversibleEmbedding":
        options.update(tie_weights=chance(rng), logit_soft_cap=pick(rng, None, 4.0))
        if chance(rng):
            call, ids = {"reverse": True}, normal(rng, 3, 4, options["output_dim"])
    return plain(name, options, ids, call=call)


@case("Activation")
def activation(rng: Generator, name: str) -> Case:
    kinds = "relu", "tanh", "softplus", "selu", "silu", "gelu", "mish", "log_softmax", "hard_silu", "celu", "sparsemax"
    return plain(name, {"activation": pick(rng, *kinds)}, normal(rng, *any_shape(rng)))


@case("ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "Identity", "ActivityRegularization", "UnitNormalization")
def elementwise(rng: Generator, name: str) -> Case:
    x = normal(rng, *any_shape(rng, 2, 3))
    options: dict[str, dict[str, Any]] = {
        "ReLU": {"max_value": pick(rng, None, 1.0), "negative_slope": pick(rng, 0.0, 0.2), "threshold": 0.1},
        "LeakyReLU": {"negative_slope": float(rng.random())},
        "ELU": {"alpha": float(rng.random())},
        "PReLU": {"shared_axes": pick(rng, None, [1])},
        "Softmax": {"axis": pick(rng, -1, 1, (1, 2))},
        "Identity": {},
        "ActivityRegularization": {"l1": 0.1, "l2": pick(rng, 0.0, 0.2)},
        "UnitNormalization": {"axis": pick(rng, -1, 1, (1, 2))},
    }
    return plain(name, options[name], x)


# ---- merging, reshaping ---------------------------------------------------------------------------------------------


@case("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot")
def merge(rng: Generator, name: str) -> Case:
    shape = any_shape(rng, 2, 3)
    count = 2 if name in ("Subtract", "Dot") else int(rng.integers(2, 4))
    options: dict[str, Any] = {}
    shapes = [shape] * count
    if name == "Concatenate":
        axis = options["axis"] = pick(rng, -1, 1, len(shape) - 1)
        shapes = [(*shape[: axis % len(shape)], n, *shape[axis % len(shape) + 1 :]) for n in sizes(rng, count, 1, 4)]
    elif name == "Dot":
        shapes = [(3, 4, 5), (3, 4, 5)]
        options = {"axes": pick(rng, 1, 2, (1, 1), (2, 2)), "normalize": chance(rng)}
    elif name != "Subtract" and chance(rng):
        shapes[1] = (*shape[:-1], 1)
    return plain(name, options, *(normal(rng, *s) for s in shapes), together=True)


@case("Flatten", "Reshape", "Permute", "RepeatVector")
def reshape(rng: Generator, name: str) -> Case:
    if name == "RepeatVector":
        return plain(name, {"n": int(rng.integers(1, 5))}, normal(rng, 3, 4))
    options = {
        "Flatten": {"data_format": formats(rng)},
        "Reshape": {"target_shape": pick(rng, (-1,), (12, 2), (4, -1, 3), (2, 3, 4))},
        "Permute": {"dims": pick(rng, (3, 1, 2), (2, 1, 3), (1, 3, 2))},
    }
    return plain(name, options[name], normal(rng, 3, 2, 3, 4))


@case(*(f"{kind}{rank}D" for kind in ("Cropping", "ZeroPadding", "UpSampling") for rank in (1, 2, 3)))
def borders(rng: Generator, name: str) -> Case:
    rank = rank_of(name)
    options: dict[str, Any] = {} if name in ("Cropping1D", "UpSampling1D") else {"data_format": formats(rng)}
    pairs = tuple(sizes(rng, 2, 0, 2) for _ in range(rank))
    if name.startswith("UpSampling"):
        options["size"] = int(rng.integers(1, 4)) if rank == 1 else sizes(rng, rank, 1, 3)
        if rank == 2:
            options["interpolation"] = pick(rng, "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
    else:
        options["cropping" if name.startswith("Cropping") else "padding"] = pairs[0] if rank == 1 else pairs
    return plain(name, options, image(rng, rank, 3, options.get("data_format", "channels_last")))


# ---- convolution, pooling -------------------------------------------------------------------------------------------


def windows(rng: Generator, rank: int, causal: bool, uniform: bool) -> dict[str, Any]:
    """kernel_size, strides, padding, dilation_rate: Keras allows one of strides and dilation above 1."""
    options: dict[str, Any] = {
        "kernel_size": sizes(rng, rank, 1, 3),
        "padding": pick(rng, "valid", "same", *(["causal"] if causal else [])),
        "data_format": formats(rng),
    }
    if options["padding"] == "causal":
        options["data_format"] = "channels_last"
    if chance(rng):
        options["strides"] = sizes(rng, 1, 1, 3) * rank if uniform else sizes(rng, rank, 1, 3)
    elif chance(rng):
        options["dilation_rate"] = sizes(rng, rank, 1, 2)
    return options


@case("Conv1D", "Conv2D", "Conv3D")
def convolution(rng: Generator, name: str) -> Case:
    rank, groups = rank_of(name), pick(rng, 1, 1, 2, 3)
    options = windows(rng, rank, rank == 1, False)
    options.update(filters=groups * int(rng.integers(1, 4)), groups=groups)
    options.update(use_bias=chance(rng), activation=pick(rng, None, "tanh", "sigmoid"))
    return plain(name, options, image(rng, rank, groups * int(rng.integers(1, 4)), options["data_format"]))


@case("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
def transposed(rng: Generator, name: str) -> Case:
    rank = rank_of(name)
    options = windows(rng, rank, False, False)
    options["filters"] = int(rng.integers(1, 5))
    strides = options.get("strides", (1,) * rank)
    if chance(rng) and min(strides) > 1:
        options["output_padding"] = tuple(int(rng.integers(0, s)) for s in strides)
    return plain(name, options, image(rng, rank, int(rng.integers(1, 4)), options["data_format"], 3))


@case("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D")
def depthwise(rng: Generator, name: str) -> Case:
    rank, separable = rank_of(name), name.startswith("Separable")
    options = windows(rng, rank, False, True)
    options["depth_multiplier"] = int(rng.integers(1, 4))
    if separable:
        options["filters"] = int(rng.integers(1, 5))
    return plain(name, options, image(rng, rank, int(rng.integers(1, 6)), options["data_format"]))


@case(*(f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)))
def pooling(rng: Generator, name: str) -> Case:
    rank = rank_of(name)
    options: dict[str, Any] = {"pool_size": sizes(rng, rank, 1, 3), "padding": pick(rng, "valid", "same")}
    options["data_format"] = formats(rng)
    if chance(rng):
        options["strides"] = sizes(rng, rank, 1, 3)
    return plain(name, options, image(rng, rank, int(rng.integers(1, 6)), options["data_format"]))


@case(
    *(f"Adaptive{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)),
    *(f"Global{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)),
)
def whole_pooling(rng: Generator, name: str) -> Case:
    rank, data_format = rank_of(name), formats(rng)
    options: dict[str, Any] = {"data_format": data_format}
    if name.startswith("Adaptive"):
        options["output_size"] = sizes(rng, rank, 1, 5)
    else:
        options["keepdims"] = chance(rng)
    masked = name == "GlobalAveragePooling1D" and data_format == "channels_last" and chance(rng)
    return plain(name, options, image(rng, rank, 3, data_format), masked=masked)


# ---- recurrence -----------------------------------------------------------------------------------------------------

RECURRENT = ("SimpleRNN", "LSTM", "GRU")


def cell_options(rng: Generator, name: str) -> dict[str, Any]:
    options: dict[str, Any] = {"units": int(rng.integers(1, 5)), "use_bias": chance(rng)}
    options["activation"] = pick(rng, "tanh", "sigmoid")
    if name.startswith("GRU"):
        options["reset_after"] = chance(rng)
    if name.startswith("LSTM"):
        options["unit_forget_bias"] = chance(rng)
    return options


def sequence_options(rng: Generator) -> dict[str, Any]:
    return {key: chance(rng) for key in ("return_sequences", "return_state", "go_backwards")}


@case(*RECURRENT)
def recurrent(rng: Generator, name: str) -> Case:
    options = cell_options(rng, name) | sequence_options(rng) | {"unroll": chance(rng)}
    inputs = [normal(rng, *sizes(rng, 3, 2, 5))]
    call = {}
    if chance(rng):
        state = normal(rng, inputs[0].shape[0], options["units"])
        call = {"initial_state": [state] * (2 if name == "LSTM" else 1)}
    return plain(name, options, *inputs, call=call, masked=chance(rng))


@case(*(f"{name}Cell" for name in RECURRENT), "StackedRNNCells")
def cells(rng: Generator, name: str) -> Case:
    kinds = [name] if name != "StackedRNNCells" else [f"{pick(rng, *RECURRENT)}Cell" for _ in range(2)]
    options = [cell_options(rng, kind) for kind in kinds]
    batch = int(rng.integers(1, 4))
    states: list[Any] = []
    for kind, o in zip(kinds, options, strict=True):
        state = [normal(rng, batch, o["units"]) for _ in range(2 if kind == "LSTMCell" else 1)]
        states.append(state if kind == "LSTMCell" or name != "StackedRNNCells" else state[0])

    def make(layers: Any) -> Any:
        built = [getattr(layers, kind)(**o) for kind, o in zip(kinds, options, strict=True)]
        return built[0] if name != "StackedRNNCells" else layers.StackedRNNCells(built)

    call = {"states": states[0] if name != "StackedRNNCells" else states}
    return Case(make, (normal(rng, batch, 3),), call=call)


@case("RNN", "Bidirectional", "TimeDistributed", "SpectralNormalization", "Wrapper")
def wrappers(rng: Generator, name: str) -> Case:
    kind = pick(rng, *RECURRENT)
    inner, sequence = cell_options(rng, kind), sequence_options(rng)
    mode = pick(rng, "concat", "sum", "mul", "ave", None)
    filters, iterations = int(rng.integers(1, 4)), int(rng.integers(1, 4))

    def make(layers: Any) -> Any:
        if name == "RNN":
            return layers.RNN(getattr(layers, f"{kind}Cell")(**inner), **sequence)
        if name == "Bidirectional":
            backwards = {k: v for k, v in sequence.items() if k != "go_backwards"}
            return layers.Bidirectional(getattr(layers, kind)(**inner, **backwards), merge_mode=mode)
        if name == "SpectralNormalization":
            return layers.SpectralNormalization(layers.Dense(filters + 1), power_iterations=iterations)
        return getattr(layers, name)(layers.Conv1D(filters, 2) if name == "TimeDistributed" else layers.Dense(filters))

    if name == "Wrapper":  # a base class without a call of its own
        return Case(make, ())
    shape = sizes(rng, 4 if name == "TimeDistributed" else 3, 2, 5)
    return Case(make, (normal(rng, *shape),), masked=name in ("RNN", "Bidirectional") and chance(rng))


@case("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def conv_lstm(rng: Generator, name: str) -> Case:
    rank = rank_of(name)
    options = sequence_options(rng) | windows(rng, rank, False, False)
    options.update(filters=int(rng.integers(1, 3)), use_bias=chance(rng))
    if rank == 3:
        options.update(kernel_size=sizes(rng, 3, 1, 2), padding="same")
    frames = image(rng, rank, 2, options["data_format"], 3 if rank == 3 else 5)
    return plain(name, options, np.stack([frames, 0.5 * frames[::-1], -frames], 1))


# ---- attention ------------------------------------------------------------------------------------------------------


@case("Attention", "AdditiveAttention")
def attention(rng: Generator, name: str) -> Case:
    options: dict[str, Any] = {"use_scale": chance(rng)}
    if name == "Attention":
        options["score_mode"] = pick(rng, "dot", "concat")
    call: dict[str, Any] = {"use_causal_mask": chance(rng)}
    batch, steps, keys, width = sizes(rng, 4, 2, 5)
    inputs = [normal(rng, batch, n, width) for n in (steps, keys)]
    if chance(rng):
        inputs.append(normal(rng, batch, keys, width))
    if chance(rng):
        call["return_attention_scores"] = True
    return plain(name, options, *inputs, together=True, call=call)


@case("MultiHeadAttention", "GroupQueryAttention")
def heads(rng: Generator, name: str) -> Case:
    options: dict[str, Any] = {"use_bias": chance(rng), "use_gate": chance(rng)}
    if name == "MultiHeadAttention":
        options.update(num_heads=int(rng.integers(1, 4)), key_dim=int(rng.integers(1, 5)))
        options.update(value_dim=pick(rng, None, 3), output_shape=pick(rng, None, 7))
        if options["use_gate"]:
            options["value_dim"] = None
    else:
        groups = int(rng.integers(1, 3))
        options.update(head_dim=int(rng.integers(1, 5)), num_key_value_heads=groups)
        options["num_query_heads"] = groups * int(rng.integers(1, 3))
    batch, steps, keys, width = sizes(rng, 4, 2, 5)
    call: dict[str, Any] = {"use_causal_mask": chance(rng)}
    if chance(rng):
        call["return_attention_scores"] = True
    if chance(rng):
        mask = rng.random((batch, steps, keys)) < 0.7
        mask[..., 0] = True
        call["attention_mask"] = mask
    return plain(name, options, normal(rng, batch, steps, width), normal(rng, batch, keys, width), call=call)


# ---- normalisation --------------------------------------------------------------------------------------------------


@case("BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization")
def normalization(rng: Generator, name: str) -> Case:
    x = normal(rng, 4, 3, 4, 6)
    options: dict[str, Any] = {"epsilon": pick(rng, 1e-3, 1e-2)}
    call = {}
    if name != "RMSNormalization":
        options.update(center=chance(rng), scale=chance(rng))
    if name == "BatchNormalization":
        options.update(axis=pick(rng, -1, 1), momentum=pick(rng, 0.99, 0.5))
        call = {"training": chance(rng)}
    elif name == "GroupNormalization":
        options.update(groups=pick(rng, 1, 2, -1), axis=-1)
    else:
        options["axis"] = pick(rng, -1, (-2, -1)) if name == "LayerNormalization" else pick(rng, -1, (2, 3))
    return plain(name, options, x, call=call)


@case("Normalization", "Rescaling")
def rescaling(rng: Generator, name: str) -> Case:
    x = normal(rng, *any_shape(rng, 1, 2))
    if name == "Rescaling":
        return plain(name, {"scale": pick(rng, 0.5, 1 / 255), "offset": pick(rng, 0.0, -1.0)}, x)
    width = x.shape[-1]
    options = {"axis": -1, "mean": rng.random(width).tolist(), "variance": (1 + rng.random(width)).tolist()}
    return plain(name, options | {"invert": chance(rng)}, x)


# ---- what only trains: the same as nothing at inference -------------------------------------------------------------


@case("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", *(f"SpatialDropout{r}D" for r in (1, 2, 3)))
def noise(rng: Generator, name: str) -> Case:
    x = normal(rng, *sizes(rng, 2 + rank_of(name), 2, 5)) if name[-1] == "D" else normal(rng, *any_shape(rng))
    key = "stddev" if name == "GaussianNoise" else "rate"
    return plain(name, {key: float(rng.random()), "seed": 3}, x, call={"training": False})


AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "RandomBrightness": {"factor": 0.2},
    "RandomColorDegeneration": {"factor": 0.3},
    "RandomColorJitter": {
        "brightness_factor": 0.2,
        "contrast_factor": 0.3,
        "saturation_factor": 0.4,
        "hue_factor": 0.1,
    },
    "RandomContrast": {"factor": 0.2},
    "RandomElasticTransform": {"scale": 0.5},
    "RandomErasing": {"factor": 0.5},
    "RandomFlip": {"mode": "horizontal"},
    "RandomGaussianBlur": {"kernel_size": 3},
    "RandomGrayscale": {"factor": 0.4},
    "RandomHue": {"factor": 0.2},
    "RandomInvert": {"factor": 0.5},
    "RandomPerspective": {"scale": 0.5},
    "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.1},
    "RandomSaturation": {"factor": 0.4},
    "RandomSharpness": {"factor": 0.4},
    "RandomShear": {"x_factor": 0.2, "y_factor": 0.1},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.2},
    "RandAugment": {"factor": 0.4, "num_ops": 2},
    "AugMix": {"factor": 0.4, "num_chains": 2},
    "MixUp": {"alpha": 0.3},
    "CutMix": {"factor": 0.5},
}


@case(*AUGMENTATIONS)
def augmentation(rng: Generator, name: str) -> Case:
    images = (rng.random((2, 6, 5, 3)) * 255).astype("float32")
    options = AUGMENTATIONS[name] | {"seed": 3}
    return plain(name, options, images, call={"training": False}, smooth=False)


# ---- images, spectrograms -------------------------------------------------------------------------------------------


@case("ContrastLimitedAdaptiveHistogramEqualization")
def limited_equalization(rng: Generator, name: str) -> Case:
    x = normal(rng, *sizes(rng, 3, 2, 20), 2)
    x = np.abs(x) / np.abs(x).max()
    grid = tuple(int(n) for n in rng.integers(1, 5, 2))
    options = {"value_range": (0, 1), "clip_limit": float(rng.integers(0, 4)), "tile_grid_size": grid}
    return plain(name, options, x, smooth=False)


@case("Resizing", "CenterCrop", "RandomCrop", "AutoContrast", "Equalization", "Solarization", "MaxNumBoundingBoxes")
def images(rng: Generator, name: str) -> Case:
    data_format = formats(rng) if name in ("Resizing", "CenterCrop") else "channels_last"
    x = np.abs(image(rng, 2, 3, data_format, 7)) * 60
    options: dict[str, Any] = {"data_format": data_format, "height": int(rng.integers(3, 7)), "width": 5}
    if name == "Resizing":
        options["interpolation"] = pick(rng, "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        options["antialias"] = chance(rng)
        options["crop_to_aspect_ratio"] = chance(rng)
    elif name == "RandomCrop":
        options["seed"] = 3
    elif name == "AutoContrast":
        options = {"value_range": (0, 255)}
    elif name == "Equalization":
        options = {"value_range": (0, 255), "bins": pick(rng, 256, 50)}
    elif name == "MaxNumBoundingBoxes":
        options = {"max_number": 3}
    elif name == "Solarization":
        options = {"threshold_factor": (0.5, 0.5), "addition_factor": 0.0, "seed": 3}
    call = {} if name in ("Resizing", "CenterCrop", "AutoContrast") else {"training": False}
    return plain(name, options, x, call=call, smooth=False)


@case("STFTSpectrogram", "MelSpectrogram")
def spectrogram(rng: Generator, name: str) -> Case:
    if name == "MelSpectrogram":
        options: dict[str, Any] = {"fft_length": 64, "sequence_stride": 16, "num_mel_bins": int(rng.integers(4, 9))}
        options.update(sampling_rate=800, power_to_db=chance(rng), mag_exp=pick(rng, 1.0, 2.0))
        return plain(name, options, normal(rng, 2, 200), smooth=False)
    options = {"frame_length": 32, "frame_step": pick(rng, 8, 16), "fft_length": pick(rng, 32, 64)}
    options["mode"] = pick(rng, "magnitude", "psd", "real", "imag", "log")
    options.update(padding=pick(rng, "valid", "same"), expand_dims=chance(rng), window=pick(rng, "hann", "hamming"))
    return plain(name, options, normal(rng, 2, 100, 2), smooth=False)


# ---- classes and words ----------------------------------------------------------------------------------------------

WORDS = ["fox", "the", "dog", "over"]


@case("CategoryEncoding", "Discretization", "Hashing", "HashedCrossing", "IntegerLookup")
def categories(rng: Generator, name: str) -> Case:
    mode = pick(rng, "int", "one_hot", "multi_hot")
    ids = rng.integers(0, 6, (4, 1) if mode == "one_hot" else (4, 3)).astype("int32")
    if name == "CategoryEncoding":
        mode = pick(rng, "multi_hot", "count", "one_hot")
        ids = rng.integers(0, 6, (4,) if mode == "one_hot" else (4, 3)).astype("int32")
        return plain(name, {"num_tokens": 6, "output_mode": mode}, ids, smooth=False)
    if name == "Discretization":
        options: dict[str, Any] = {"bin_boundaries": [-0.5, 0.2, 1.0], "output_mode": mode}
        return plain(name, options, normal(rng, *ids.shape), smooth=False)
    if name == "HashedCrossing":
        options = {"num_bins": 7, "output_mode": pick(rng, "int", "one_hot")}
        return plain(name, options, ids[:, 0], ids[::-1, 0].copy(), together=True, smooth=False)
    options = {"num_bins": 7, "output_mode": mode, "salt": pick(rng, None, 133)}
    if name == "IntegerLookup":
        options = {"vocabulary": [4, 1, 3], "num_oov_indices": pick(rng, 1, 2), "output_mode": mode}
    return plain(name, options, ids, smooth=False)


@case("StringLookup", "TextVectorization")
def words(rng: Generator, name: str) -> Case:
    if name == "StringLookup":
        options: dict[str, Any] = {"vocabulary": WORDS, "output_mode": pick(rng, "int", "multi_hot", "count")}
        options["num_oov_indices"] = 1
        return plain(name, options, ["dog", "cat", "the"], smooth=False)
    options = {"vocabulary": WORDS, "output_mode": pick(rng, "int", "multi_hot", "count")}
    if options["output_mode"] == "int":
        options["output_sequence_length"] = pick(rng, None, 4)
    return plain(name, options, ["The fox, over the dog!", "a cat."], smooth=False)


# ---- the rest -------------------------------------------------------------------------------------------------------


@case("Masking")
def masking(rng: Generator, name: str) -> Case:
    x = normal(rng, *sizes(rng, 3, 2, 5))
    x[0, 1] = value = pick(rng, 0.0, 2.0)
    return plain(name, {"mask_value": value}, x, continuous=False)


@case("Pipeline")
def pipeline(rng: Generator, name: str) -> Case:
    x = normal(rng, 2, 4, 4, 3)
    return Case(lambda layers: layers.Pipeline([layers.Rescaling(0.5), layers.CenterCrop(3, 3)]), (x,), smooth=False)


@case("Lambda")
def function(rng: Generator, name: str) -> Case:
    return plain(name, {"function": twice}, normal(rng, *any_shape(rng)))


def twice(x: Any) -> Any:
    return x + x


@case("Layer", "InputLayer")
def bases(rng: Generator, name: str) -> Case:
    options = {"name": "own"} if name == "Layer" else {"shape": (3, 4), "dtype": "float32", "name": "own"}
    return plain(name, options)
