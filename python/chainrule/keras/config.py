"""Global settings of the Keras face: the float type, the fuzz factor, the image layout and interactive logging."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .functions import enable_unsafe_deserialization as enable_unsafe_deserialization

_FLOAT_TYPES = ("float16", "bfloat16", "float32", "float64")

_floatx = "float32"
_epsilon = 1e-7
_image_data_format = "channels_last"
_interactive_logging = True


def dtype_policy() -> Any:
    """The global :class:`keras.DTypePolicy`."""
    from . import dtype_policies

    return dtype_policies.dtype_policy()


def set_dtype_policy(policy: Any) -> None:
    """Sets the global policy of types, for instance ``"mixed_bfloat16"``; see :mod:`keras.dtype_policies`."""
    from . import dtype_policies

    dtype_policies.set_dtype_policy(policy)


def backend() -> str:
    """The name of the engine: ``"chainrule"``."""
    return "chainrule"


def floatx() -> str:
    """The name of the default float type of weights and computations: ``"float32"`` unless set otherwise."""
    return _floatx


def set_floatx(value: str) -> None:
    """Sets the default float type: "float16", "bfloat16", "float32" or "float64".

    Layers made afterwards hold their weights in that type; "mixed_bfloat16" of :func:`set_dtype_policy` keeps them in
    float32. Raises ValueError for another type.
    """
    global _floatx
    if value not in _FLOAT_TYPES:
        raise ValueError(f"set_floatx: Unknown `floatx` value: {value!r}. Expected one of {_FLOAT_TYPES}.")
    _floatx = value


def epsilon() -> float:
    """The fuzz factor that keeps divisions and logarithms of probabilities finite: 1e-7 unless set otherwise."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Sets the fuzz factor returned by :func:`epsilon`."""
    global _epsilon
    _epsilon = float(value)


def image_data_format() -> str:
    """The default layout of images: ``"channels_last"`` (batch, height, width, channels) or ``"channels_first"``."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Sets the default layout of images, ``"channels_last"`` or ``"channels_first"``."""
    global _image_data_format
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"expected 'channels_last' or 'channels_first', got {data_format!r}.")
    _image_data_format = data_format


def enable_interactive_logging() -> None:
    """Lets ``verbose="auto"`` show progress (the default)."""
    global _interactive_logging
    _interactive_logging = True


def disable_interactive_logging() -> None:
    """Makes ``verbose="auto"`` print one line an epoch, never a progress bar."""
    global _interactive_logging
    _interactive_logging = False


def is_interactive_logging_enabled() -> bool:
    """Whether ``verbose="auto"`` may show a progress bar."""
    return _interactive_logging


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype given as a name, a NumPy or Python type, or None (then :func:`floatx`).

    Example: ``standardize_dtype(np.float32) == "float32"``.
    """
    if dtype is None:
        return _floatx
    if isinstance(dtype, dict) and dtype.get("class_name") == "DTypePolicy":  # as configurations hold it
        dtype = dtype["config"]["name"]
    if dtype == "bfloat16":  # its name, or the object that is the dtype of tensors
        return "bfloat16"
    if isinstance(dtype, str):
        if dtype == "string":
            return dtype
        if dtype in ("float", "int"):
            return _floatx if dtype == "float" else "int32"
    elif dtype is float:
        return _floatx
    elif dtype is int:
        return "int32"
    try:
        return str(np.dtype(dtype).name)
    except TypeError:
        raise ValueError(f"{dtype!r} is not a dtype; use a name such as 'float32', 'int64' or 'bool'.") from None


def is_float_dtype(dtype: Any) -> bool:
    """Whether a dtype is a floating-point type."""
    return standardize_dtype(dtype) in _FLOAT_TYPES


def is_int_dtype(dtype: Any) -> bool:
    """Whether a dtype is a signed or unsigned integer type."""
    return standardize_dtype(dtype).startswith(("int", "uint"))


_max_epochs: int | None = None
_max_steps_per_epoch: int | None = None


def max_epochs() -> int | None:
    """The most epochs that any fit runs; None for no limit."""
    return _max_epochs


def set_max_epochs(max_epochs: int | None) -> None:
    """Limits the epochs of every fit, to try programs out."""
    global _max_epochs
    _max_epochs = max_epochs


def max_steps_per_epoch() -> int | None:
    """The most steps of an epoch of any fit; None for no limit."""
    return _max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limits the steps of every epoch of every fit, to try programs out."""
    global _max_steps_per_epoch
    _max_steps_per_epoch = max_steps_per_epoch


def limited(number: int | None, most: int | None, name: str) -> int | None:
    """The number, or the limit with a warning where it is greater or not given."""
    if not most or (number is not None and number <= most):
        return number
    warnings.warn(f"Limiting {name} to {most}.", stacklevel=3)
    return most


_traceback_filtering = True


def enable_traceback_filtering() -> None:
    """Accepted for compatibility: tracebacks are always whole."""
    global _traceback_filtering
    _traceback_filtering = True


def disable_traceback_filtering() -> None:
    """Accepted for compatibility: tracebacks are always whole."""
    global _traceback_filtering
    _traceback_filtering = False


def is_traceback_filtering_enabled() -> bool:
    """What :func:`enable_traceback_filtering` and :func:`disable_traceback_filtering` said last; no more than that."""
    return _traceback_filtering


_flash_attention = True


def enable_flash_attention() -> None:
    """Accepted: attention is computed in tiles anyway, without a matrix of queries times keys."""
    global _flash_attention
    _flash_attention = True


def disable_flash_attention() -> None:
    """Accepted; the numbers are the same, so attention goes on being computed in tiles."""
    global _flash_attention
    _flash_attention = False


def is_flash_attention_enabled() -> bool:
    """What :func:`enable_flash_attention` and :func:`disable_flash_attention` said last; no more than that."""
    return _flash_attention


def is_nnx_enabled() -> bool:
    """False: variables are no Flax NNX variables."""
    return False
