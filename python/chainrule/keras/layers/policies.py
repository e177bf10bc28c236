"""Layers that apply several random changes to images: RandAugment and AugMix.

Which changes a batch gets is drawn as a Python number: a model with such a layer is trained step by step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import _core

from .. import random
from .augmentation import ImageLayer, RandomImageLayer, RandomRotation, RandomShear, RandomTranslation, interval
from .base import registry
from .colours import (
    AutoContrast,
    Equalization,
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomPosterization,
    RandomSharpness,
    Solarization,
    checked_range,
)

_op = _core.ops


class _Policy(RandomImageLayer):
    """A layer that chooses among other layers, all of one strength ``factor``: a number f for (0, f), or a pair."""

    def __init__(
        self,
        factor: Any,
        value_range: Any,
        interpolation: str,
        all_ops: bool,
        seed: Any,
        data_format: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        where = type(self).__name__
        self.value_range = checked_range(where, value_range)
        self.factor = pair = interval(where, "factor", factor, 0.0, 1.0, positive=True)
        self.interpolation = interpolation
        common: dict[str, Any] = {"data_format": "channels_last", "dtype": self.dtype_policy}
        moving = common | {"interpolation": interpolation, "seed": seed}
        colour = common | {"value_range": self.value_range}
        self._parts: list[ImageLayer] = [
            RandomShear(x_factor=pair, y_factor=pair, **moving),
            RandomTranslation(height_factor=pair, width_factor=pair, **moving),
            RandomRotation(factor=pair, **moving),
            Solarization(addition_factor=pair, threshold_factor=pair, seed=seed, **colour),
            RandomPosterization(factor=max(1, int(8 * pair[1])), seed=seed, **colour),
            AutoContrast(**colour),
            Equalization(**colour),
        ]
        if all_ops:
            kinds = RandomBrightness, RandomColorDegeneration, RandomContrast, RandomSharpness
            self._parts += [kind(factor=pair, seed=seed, **colour) for kind in kinds]

    def move_boxes(self, boxes: Any, transformation: Any, height: int, width: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: bounding boxes are not supported.")

    def _choose(self, data: Any, seed: Any, nothing: int = 0) -> tuple[int, Any]:
        """(number of a part, the numbers of its change); past the last part, as ``nothing`` allows, no change."""
        stream = self.generator if seed is None else seed
        number = int(random.randint((), 0, len(self._parts) + nothing, seed=stream))
        if number >= len(self._parts):
            return number, None
        return number, self._parts[number].get_random_transformation(data, training=True, seed=seed)

    def _apply(self, x: Any, chosen: list[tuple[int, Any]], masks: bool = False) -> Any:
        for number, numbers in chosen:
            if number < len(self._parts):
                part = self._parts[number]
                x = part.transform_segmentation_masks(x, numbers) if masks else part.transform_images(x, numbers)
        return x


@registry.add
class RandAugment(_Policy):
    """``num_ops`` changes after each other, drawn for a batch among eleven (Cubuk and others 2019, arXiv:1909.13719).

    They are shear, translation, rotation, brightness, degeneration of colours, contrast, sharpness, posterization,
    solarization, automatic contrast and equalization.

    Example::

        keras.layers.RandAugment(value_range=(0, 1), num_ops=2, factor=0.3)(images, training=True)
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, interpolation, True, seed, data_format=data_format, **kwargs)
        self.num_ops = num_ops

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        return [self._choose(data, seed) for _ in range(self.num_ops)] if training else None

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        return self._apply(images, transformation) if training else images

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        return self._apply(segmentation_masks, transformation, masks=True) if training else segmentation_masks

    def get_config(self) -> dict[str, Any]:
        names = ("value_range", "num_ops", "factor", "interpolation")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@registry.add
class AugMix(_Policy):
    """Mixes images with a weighted mean of ``num_chains`` chains of up to ``chain_depth`` changes.

    The weights of the chains are from a Dirichlet distribution, that of the images from Beta(alpha, alpha) (Hendrycks
    and others 2019, arXiv:1912.02781). ``all_ops`` False leaves out brightness, degeneration, contrast and sharpness.
    """

    blends_masks = True

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, interpolation, all_ops, seed, data_format=data_format, **kwargs)
        self.num_chains, self.chain_depth, self.alpha, self.all_ops = num_chains, chain_depth, alpha, all_ops

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        if not training:
            return None
        stream = self.generator if seed is None else seed
        weights = np.asarray(random.gamma((self.num_chains,), self.alpha, seed=stream))
        return {
            "chain_mixing_weights": weights / weights.sum(),
            "weight_sample": float(random.beta((), self.alpha, self.alpha, seed=stream)),
            "chain_transforms": [
                [self._choose(data, seed, nothing=1) for _ in range(self.chain_depth)] for _ in range(self.num_chains)
            ],
        }

    def _mixed(self, x: Any, transformation: Any, masks: bool) -> Any:
        chains = zip(transformation["chain_transforms"], transformation["chain_mixing_weights"], strict=True)
        changed = sum(self._apply(x, chain, masks) * float(weight) for chain, weight in chains)
        own = transformation["weight_sample"]
        return x * own + changed * (1.0 - own)

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        if not training:
            return images
        low, high = self.value_range
        return _op.minimum(_op.maximum(self._mixed(images, transformation, False), float(low)), float(high))

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        return self._mixed(segmentation_masks, transformation, True) if training else segmentation_masks

    def get_config(self) -> dict[str, Any]:
        names = ("value_range", "num_chains", "chain_depth", "factor", "alpha", "all_ops", "interpolation")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
