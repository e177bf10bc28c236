"""Layers that change the colours of images at random in training; values lie in ``value_range``, (0, 255) or (0, 1)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import chainrule
from chainrule import _core, nn

from .. import random
from ..config import epsilon
from ..ops import image
from .augmentation import ImageLayer, RandomImageLayer, _Sometimes, interval
from .base import registry

_op = _core.ops


def _clipped(x: Any, bounds: Any) -> Any:
    return _op.minimum(_op.maximum(x, float(bounds[0])), float(bounds[1]))


def rescaled(x: Any, source: Any, target: Any) -> Any:
    """Values of one range as values of another."""
    scale = (target[1] - target[0]) / (source[1] - source[0])
    return (x - float(source[0])) * scale + float(target[0])


class _Colours(RandomImageLayer):
    """Layers with a factor for each image and a range of values."""

    _bounds = (0.0, 1.0)
    _positive = True  # one number f stands for (0, f), not (-f, f)

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = interval(type(self).__name__, "factor", factor, *self._bounds, positive=self._positive)
        self.value_range = checked_range(type(self).__name__, value_range)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        return self.draw(data, self.factor, seed=seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


def checked_range(where: str, value: Any) -> tuple[float, float]:
    """(least, greatest) of the values of images; ValueError for anything else."""
    if not isinstance(value, (list, tuple)) or len(value) != 2 or not value[0] < value[1]:
        raise ValueError(f"{where}: value_range must be (least, greatest), got {value!r}.")
    return value[0], value[1]


@registry.add
class RandomBrightness(_Colours):
    """Adds a share of the range of values: ``factor`` f for (-f, f), or a pair, from -1 to 1."""

    _bounds = (-1.0, 1.0)
    _positive = False

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: Any = None, **kwargs: Any) -> None:
        super().__init__(factor, value_range, seed=seed, **kwargs)

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        low, high = self.value_range
        return _clipped(images + transformation * float(high - low), self.value_range)


@registry.add
class RandomContrast(_Colours):
    """Multiplies distances from an image's mean, per channel, by 1 - lower to 1 + upper of ``factor``.

    One number f stands for (0, f).
    """

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: Any = None, **kwargs: Any) -> None:
        super().__init__(factor, value_range, seed=seed, **kwargs)
        if isinstance(factor, (list, tuple)):  # (lower, upper) in that order
            self.factor = float(factor[0]), float(factor[1])

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        return self.draw(data, (1.0 - self.factor[0], 1.0 + self.factor[1]), seed=seed)

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        mean = _op.mean(images, axis=(1, 2), keepdims=True)
        return _clipped((images - mean) * transformation + mean, self.value_range)


@registry.add
class RandomHue(_Colours):
    """Turns the hue by up to half of ``factor`` of the colour circle, in either direction."""

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        turns = self.draw(data, self.factor, seed=seed) * 0.5
        return _op.where(_op.less(self.draw(data, seed=seed), 0.5), -turns, turns)

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        hsv = image.rgb_to_hsv(rescaled(images, self.value_range, (0, 1)), data_format="channels_last")
        hue = hsv[..., :1] + transformation
        hue = hue - _op.floor(hue)
        rgb = image.hsv_to_rgb(_op.concatenate([hue, hsv[..., 1:]], axis=-1), data_format="channels_last")
        return rescaled(_clipped(rgb, (0, 1)), (0, 1), self.value_range)


@registry.add
class RandomSaturation(_Colours):
    """Multiplies the saturation by f / (1 - f): 0 grey, 0.5 as it is, above stronger; one number f is (-f, f)."""

    _bounds = (-1.0, 1.0)
    _positive = False

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        share = self.draw(data, self.factor, seed=seed)
        return share / (1.0 - share + epsilon())

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        hsv = image.rgb_to_hsv(rescaled(images, self.value_range, (0, 1)), data_format="channels_last")
        strength = _clipped(hsv[..., 1:2] * transformation, (0, 1))
        hsv = _op.concatenate([hsv[..., :1], strength, hsv[..., 2:]], axis=-1)
        return rescaled(image.hsv_to_rgb(hsv, data_format="channels_last"), (0, 1), self.value_range)


@registry.add
class RandomColorDegeneration(_Colours):
    """Mixes images with their grey versions: 0 nothing, 1 grey, -1 stronger colours; one number f is (-f, f)."""

    _bounds = (-1.0, 1.0)
    _positive = False

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        grey = image.rgb_to_grayscale(images, data_format="channels_last")
        return _clipped(images + transformation * (grey - images), self.value_range)


@registry.add
class RandomSharpness(_Colours):
    """Mixes images with smoothed versions: a factor of 0 smooth, 0.5 as they are, 1 sharper."""

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        weights = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
        kernel = (weights[:, :, None, None] * np.ones((1, 1, images.shape[-1], 1))).astype(images.dtype)
        smooth = nn.depthwise_conv(images, kernel, padding="same")
        return _clipped(images + (1.0 - transformation * 2.0) * (smooth - images), self.value_range)


@registry.add
class RandomPosterization(RandomImageLayer):
    """Keeps so many of the highest bits of 8-bit values as ``factor`` tells, in each image.

    Args:
        factor: (least, most), from 1 to 8: a whole number below ``most`` is drawn, or it is both if they are equal.
            One number f stands for (1, f).
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = interval("RandomPosterization", "factor", factor, 1.0, 8.0, positive=True)
        self.value_range = checked_range("RandomPosterization", value_range)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        bits = _op.floor(self.draw(data, tuple(map(math.floor, self.factor)), seed=seed))
        return _op.power(2.0, 8.0 - bits)

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        step = transformation
        bytes_ = _op.floor(rescaled(images, self.value_range, (0, 255)))
        return rescaled(_op.floor(bytes_ / step) * step, (0, 255), self.value_range)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


@registry.add
class Solarization(RandomImageLayer):
    """Adds up to ``addition_factor`` of 255, then inverts values from a threshold on.

    Factors: a number f for (0, f), or a pair, from 0 to 1.
    """

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.addition_factor = interval("Solarization", "addition_factor", addition_factor, 0.0, 1.0, positive=True)
        self.threshold_factor = interval("Solarization", "threshold_factor", threshold_factor, 0.0, 1.0, positive=True)
        self.value_range = checked_range("Solarization", value_range)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        factors = self.addition_factor, self.threshold_factor
        return [self.draw(data, (low, high * 255), seed=seed) for low, high in factors]

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        addition, threshold = transformation
        values = _clipped(rescaled(images, self.value_range, (0, 255)) + addition, (0, 255))
        values = _op.where(_op.less(values, threshold), values, 255.0 - values)
        return rescaled(values, (0, 255), self.value_range)

    def get_config(self) -> dict[str, Any]:
        names = ("addition_factor", "threshold_factor", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@registry.add
class AutoContrast(RandomImageLayer):
    """Stretches each channel of an image over the whole range of values, in training and outside."""

    changes_outside_training = True

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value_range = checked_range("AutoContrast", value_range)

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        low = _op.min(images, axis=(1, 2), keepdims=True)
        spread = _op.max(images, axis=(1, 2), keepdims=True) - low
        flat = _op.equal(spread, 0.0)
        stretched = (images - low) / _op.where(flat, 1.0, spread)
        return _op.where(flat, images, rescaled(stretched, (0, 1), self.value_range))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value_range": self.value_range}


@registry.add
class Equalization(ImageLayer):
    """In training, spreads the values of each channel, over the whole batch, evenly over ``value_range``.

    The histogram has ``bins`` bins; a channel of one value stays as it is.

    Example::

        keras.layers.Equalization(value_range=(0, 1))(images, training=True)
    """

    def __init__(
        self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        if not isinstance(bins, int) or bins < 1:
            raise ValueError(f"Equalization: bins must be a positive integer, got {bins!r}.")
        self.value_range, self.bins = checked_range("Equalization", value_range), bins

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        if not training:
            return images
        channels = images.shape[-1]
        values = rescaled(images, self.value_range, (0, 255))
        last = float(self.bins - 1)
        counted = _op.cast(_clipped(values * last / 255.0, (0, last)), "int32")
        places = _op.cast(_clipped(values / 255.0 * last, (0, last)), "int32")  # Keras rounds the two differently
        counts = histograms(_op.transpose(_op.reshape(counted, (-1, channels)), (1, 0)), self.bins)
        below = _op.cumsum(counts, axis=-1)  # (channels, bins)
        total = below[:, -1:]
        least = _op.min(_op.where(_op.greater(below, 0.0), below, total), axis=-1, keepdims=True)
        spread = total - least  # 0 where all values lie in one bin
        table = _op.rint((below - least) * 255.0 / _op.maximum(spread, 1.0))
        firsts = chainrule.asarray(np.arange(channels, dtype="int32") * self.bins)
        equal = _op.cast(_op.take(_op.reshape(table, (-1,)), places + firsts, axis=0), images.dtype)
        equal = _op.where(_op.equal(_op.reshape(spread, (-1,)), 0.0), values, equal)
        return rescaled(equal, (0, 255), self.value_range)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bins": self.bins, "value_range": self.value_range}


def histograms(places: Any, bins: int) -> Any:
    """How often each number below ``bins`` occurs in each row: float32 of shape (rows, bins).

    A number is a pair of digits, and counts of pairs are a product of two matrices of ones and zeros.
    """
    base = math.isqrt(bins - 1) + 1
    digits = chainrule.asarray(np.arange(base, dtype="int32"))
    high = _op.floor_divide(places, base)
    pairs = [_op.cast(_op.equal(_op.expand_dims(d, -1), digits), "float32") for d in (high, places - high * base)]
    counts = _op.matmul(_op.transpose(pairs[0], (0, 2, 1)), pairs[1])
    return _op.reshape(counts, (places.shape[0], base * base))[:, :bins]


@registry.add
class RandomGrayscale(RandomImageLayer):
    """Makes images grey with probability ``factor``."""

    def __init__(self, factor: float = 0.5, data_format: str | None = None, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        if not 0 <= factor <= 1:
            raise ValueError(f"RandomGrayscale: factor must be from 0 to 1, got {factor!r}.")
        self.factor = factor

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        return _op.less(self.draw(data, seed=seed), float(self.factor))

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        return _op.where(transformation, image.rgb_to_grayscale(images, data_format="channels_last"), images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


@registry.add
class RandomInvert(_Sometimes):
    """Inverts values with a probability of ``factor``."""

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Any = (0, 255),
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, seed, data_format, **kwargs)
        self.value_range = checked_range("RandomInvert", value_range)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        return self.chosen(data, seed)

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        return _op.where(transformation, float(self.value_range[1]) - images, images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value_range": self.value_range}


@registry.add
class RandomGaussianBlur(_Sometimes):
    """Smooths images, with a probability of ``factor``, over up to ``sigma`` pixels."""

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, seed, data_format, **kwargs)
        self.kernel_size = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
        self.sigma = interval("RandomGaussianBlur", "sigma", sigma, 0.0, float("inf"), positive=True)
        self.value_range = checked_range("RandomGaussianBlur", value_range)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        stream = self.generator if seed is None else seed
        low, high = self.sigma
        sigmas = random.uniform((2,), low, high, data.dtype.name, stream) + 1e-6
        return self.chosen(data, seed), sigmas

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        chosen, sigmas = transformation
        blurred = images
        for axis, (size, shape) in enumerate(zip(self.kernel_size[::-1], ((-1, 1, 1, 1), (1, -1, 1, 1)), strict=True)):
            places = chainrule.asarray((np.arange(size) - (size - 1) / 2).astype(images.dtype))
            line = _op.exp(_op.square(places / sigmas[1 - axis]) * -0.5)
            kernel = _op.reshape(line / _op.sum(line), shape)
            kernel = kernel * np.ones((1, 1, images.shape[-1], 1), images.dtype)
            blurred = nn.depthwise_conv(blurred, kernel, padding="same")
        return _clipped(_op.where(chosen, blurred, images), self.value_range)

    def get_config(self) -> dict[str, Any]:
        own = {"kernel_size": self.kernel_size, "sigma": self.sigma, "value_range": self.value_range}
        return {**super().get_config(), **own}


def boxes(layer: RandomImageLayer, images: Any, shares: Any, seed: Any) -> Any:
    """Masks (batch, height, width, 1) of boxes at random places that take the shares (batch, 2) of the two sides."""
    inside = None
    for axis, (length, along) in enumerate(((images.shape[1], (1, -1, 1, 1)), (images.shape[2], (1, 1, -1, 1)))):
        middle = layer.draw(images, (0.0, float(length)), seed=seed)
        half = _op.reshape(shares[:, axis], (-1, 1, 1, 1)) * (length / 2)
        places = chainrule.asarray(np.arange(length, dtype=images.dtype).reshape(along))
        within = _op.logical_and(
            _op.greater_equal(places, _op.floor(middle - half)), _op.less(places, _op.floor(middle + half))
        )
        inside = within if inside is None else _op.logical_and(inside, within)
    return inside


@registry.add
class RandomErasing(_Sometimes):
    """Fills a box of a random size and place, with a probability of ``factor``.

    ``scale``: bounds of the box's share of the area; ``fill_value`` None fills with normal noise.
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, seed, data_format, **kwargs)
        self.scale = interval("RandomErasing", "scale", scale, 0.0, 1.0, positive=True)
        self.fill_value, self.value_range = fill_value, checked_range("RandomErasing", value_range)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        shares = _op.sqrt(self.draw(data, self.scale, (2,), seed))
        erased = _op.logical_and(self.chosen(data, seed), boxes(self, data, shares, seed))
        if self.fill_value is not None:
            return erased, self.fill_value
        stream = self.generator if seed is None else seed
        noise = random.normal((data.shape[0], 1, 1, data.shape[-1]), dtype=data.dtype.name, seed=stream)
        low, high = self.value_range
        return erased, _clipped(rescaled(noise, (-1, 1), (low, high)), self.value_range)

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        erased, fill = transformation
        return _op.where(erased, fill, images)

    def get_config(self) -> dict[str, Any]:
        names = ("scale", "fill_value", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@registry.add
class RandomElasticTransform(_Sometimes):
    """Displaces pixels by a smooth random field, with a probability of ``factor``; ``scale`` measures its strength."""

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, seed, data_format, **kwargs)
        self.scale = interval("RandomElasticTransform", "scale", scale, 0.0, 1.0, positive=True)
        self.interpolation, self.fill_mode, self.fill_value = interpolation, fill_mode, fill_value
        self.value_range = checked_range("RandomElasticTransform", value_range)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        return self.chosen(data, seed)

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        moved = image.elastic_transform(
            images,
            alpha=self.scale[1] * 100.0,
            sigma=self.scale[1] * 10.0 if self.scale[1] else 1.0,
            interpolation=self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            seed=self.generator,
            data_format="channels_last",
        )
        return _clipped(_op.where(transformation, moved, images), self.value_range)

    def move_boxes(self, boxes: Any, transformation: Any, height: int, width: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: bounding boxes are not supported.")

    def get_config(self) -> dict[str, Any]:
        names = ("scale", "interpolation", "fill_mode", "fill_value", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class _Mixing(RandomImageLayer):
    """Layers that mix each image, and its label, with another of the batch."""

    moves_pixels = True

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        stream = self.generator if seed is None else seed
        order = random.shuffle(np.arange(data.shape[0], dtype="int32"), seed=stream)
        return {"permutation_order": order, **self._mixture(data, stream)}

    def _mixture(self, images: Any, stream: Any) -> dict[str, Any]:
        raise NotImplementedError

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        labels = labels if labels.dtype.kind == "f" else _op.cast(labels, self.dtype)
        own = _op.reshape(transformation["mix_weight"], (-1, *(1,) * (labels.ndim - 1)))
        return own * labels + (1.0 - own) * _op.take(labels, transformation["permutation_order"], axis=0)


@registry.add
class MixUp(_Mixing):
    """Weighted means of two images, and of their labels; weights from Beta(alpha, alpha) (Zhang and others 2018)."""

    blends_masks = True

    def __init__(self, alpha: float = 0.2, data_format: str | None = None, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        if not 0 <= alpha <= 1:
            raise ValueError(f"MixUp: alpha must be from 0 to 1, got {alpha!r}.")
        self.alpha = alpha

    def _mixture(self, images: Any, stream: Any) -> dict[str, Any]:
        dtype = images.dtype.name
        return {"mix_weight": random.beta((images.shape[0],), self.alpha, self.alpha, dtype=dtype, seed=stream)}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        own = _op.reshape(transformation["mix_weight"], (-1, 1, 1, 1))
        return own * images + (1.0 - own) * _op.take(images, transformation["permutation_order"], axis=0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


@registry.add
class CutMix(_Mixing):
    """Puts a box of another image into each, and mixes labels by its share of the area (Yun and others 2019)."""

    def __init__(self, factor: Any = 1.0, seed: Any = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.factor = interval("CutMix", "factor", factor, 0.0, 1.0, positive=True)

    def _mixture(self, images: Any, stream: Any) -> dict[str, Any]:
        low, high = self.factor
        weight = random.beta((images.shape[0], 1), max(high, 1e-6), max(high, 1e-6), images.dtype.name, stream)
        sides = _op.sqrt(1.0 - weight)
        box = boxes(self, images, _op.concatenate([sides, sides], axis=1), stream)
        return {"batch_masks": box, "mix_weight": 1.0 - _op.mean(_op.cast(box, images.dtype), axis=(1, 2, 3))}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        others = _op.take(images, transformation["permutation_order"], axis=0)
        return _op.where(transformation["batch_masks"], others, images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


@registry.add
class RandomColorJitter(RandomImageLayer):
    """Random brightness, contrast, saturation and hue, each with its factor (None leaves it out), in that order."""

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.value_range = checked_range("RandomColorJitter", value_range)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        self._parts = [
            cls(factor, value_range=value_range, seed=seed, data_format="channels_last")
            for cls, factor in (
                (RandomBrightness, brightness_factor),
                (RandomContrast, contrast_factor),
                (RandomSaturation, saturation_factor),
                (RandomHue, hue_factor),
            )
            if factor is not None
        ]

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        return [part.get_random_transformation(data, training, seed) for part in self._parts]

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        for part, numbers in zip(self._parts, transformation, strict=True):
            images = part.transform_images(images, numbers, training)
        return images

    def get_config(self) -> dict[str, Any]:
        names = ("value_range", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
