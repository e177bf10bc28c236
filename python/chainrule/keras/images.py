"""Images as arrays and in files: ``keras.utils.load_img`` and its kin. Files need the package Pillow."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from .config import floatx, image_data_format
from .variables import Tensor, Variable

_MODES = {"grayscale": "L", "rgba": "RGBA", "rgb": "RGB"}
_FILTERS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def pillow() -> Any:
    """The package Pillow's module Image. ImportError with the remedy where it is missing."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("Images in files need the package Pillow: pip install pillow.") from None
    return Image


def _layout(data_format: str | None) -> str:
    data_format = image_data_format() if data_format is None else data_format
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', got {data_format!r}.")
    return data_format


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """An image of Pillow (or an array) as an array (height, width, channels), by default of floatx."""
    values = np.asarray(img, dtype=dtype or floatx())
    if values.ndim == 2:
        values = values[..., None] if _layout(data_format) == "channels_last" else values[None]
    elif values.ndim == 3:
        if _layout(data_format) == "channels_first" and not isinstance(img, (np.ndarray, Tensor, Variable)):
            values = values.transpose(2, 0, 1)
    else:
        raise ValueError(f"img_to_array: an image has 2 or 3 axes, got shape {values.shape}.")
    return values


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """An array (height, width, 1, 3 or 4) as an image of Pillow; ``scale`` stretches its values over 0 to 255."""
    image = pillow()
    values = np.asarray(x, dtype=dtype or floatx())
    if values.ndim != 3:
        raise ValueError(f"array_to_img: an image has 3 axes, got shape {values.shape}.")
    if _layout(data_format) == "channels_first":
        values = values.transpose(1, 2, 0)
    if scale:
        values = values - values.min()
        if values.max() != 0:
            values = values / values.max() * 255
    channels = values.shape[2]
    if channels not in (1, 3, 4):
        raise ValueError(f"array_to_img: an image has 1, 3 or 4 channels, got {channels}.")
    if channels == 1:
        if values.max() > 255:
            return image.fromarray(values[:, :, 0].astype("int32"))
        return image.fromarray(values[:, :, 0].astype("uint8"))
    return image.fromarray(values.astype("uint8"))


def save_img(
    path: Any, x: Any, data_format: str | None = None, file_format: str | None = None, scale: bool = True, **kwargs: Any
) -> None:
    """Writes an array as an image file; the format follows the file's name unless ``file_format`` says it."""
    img = array_to_img(x, data_format, scale)
    if img.mode == "RGBA" and (file_format in ("jpg", "jpeg") or str(path).lower().endswith((".jpg", ".jpeg"))):
        img = img.convert("RGB")
    img.save(path, format="jpeg" if file_format == "jpg" else file_format, **kwargs)


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: Any = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """An image of Pillow from a file.

    Args:
        path: its path, or a stream of bytes.
        color_mode: ``"grayscale"``, ``"rgb"`` or ``"rgba"``.
        target_size: (height, width) to resize to.
        interpolation: ``"nearest"``, ``"bilinear"``, ``"bicubic"``, ``"lanczos"``, ``"box"`` or ``"hamming"``.
        keep_aspect_ratio: cut the middle of the target's aspect ratio out first.
    """
    image = pillow()
    if color_mode not in _MODES:
        raise ValueError(f"load_img: color_mode must be one of {list(_MODES)}, got {color_mode!r}.")
    source = path if isinstance(path, io.IOBase) else io.BytesIO(Path(path).read_bytes())
    img = image.open(source)
    deep = color_mode == "grayscale" and img.mode in ("I;16", "I", "L")
    if not deep and img.mode != _MODES[color_mode]:
        img = img.convert(_MODES[color_mode])
    if target_size is None:
        img.load()
        return img
    size = target_size[1], target_size[0]
    if interpolation not in _FILTERS:
        raise ValueError(f"load_img: interpolation must be one of {_FILTERS}, got {interpolation!r}.")
    method = getattr(image.Resampling, interpolation.upper())
    if img.size == size:
        return img
    if not keep_aspect_ratio:
        return img.resize(size, method)
    width, height = img.size
    part_height = min(height, int(width * size[1] / size[0]))
    part_width = min(width, int(height * size[0] / size[1]))
    top, left = (height - part_height) // 2, (width - part_width) // 2
    return img.resize(size, method, box=(left, top, left + part_width, top + part_height))


def smart_resize(
    x: Any, size: Any, interpolation: str = "bilinear", data_format: str = "channels_last", **kwargs: Any
) -> Any:
    """Images in another size without distortion: the middle part of the target's aspect ratio is cut out first."""
    from .ops import image

    if len(size) != 2 or not all(math.isfinite(n) and n > 0 for n in size):
        raise ValueError(f"smart_resize: size must be (height, width), got {size!r}.")
    resized = image.resize(x, size, interpolation, crop_to_aspect_ratio=True, data_format=data_format)
    return resized if isinstance(x, (Tensor, Variable)) else np.asarray(resized)
