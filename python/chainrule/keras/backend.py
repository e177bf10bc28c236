"""``keras.backend``: settings under their older home."""

from .config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    is_float_dtype,
    is_int_dtype,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    standardize_dtype,
)
from .dtypes import result_type
from .naming import clear_session, get_uid
from .symbolic import is_keras_tensor
from .variables import Variable

__all__ = [
    "Variable",
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "result_type",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_dtype",
]
