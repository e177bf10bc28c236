"""Promotion of dtypes as in Keras 3: a float type wins over any integer, whatever the widths; scalars are weak."""

from __future__ import annotations

from typing import Any

import numpy as np

from .config import floatx, standardize_dtype

_WEAK: dict[Any, str] = {int: "int", "int": "int", float: "float", "float": "float"}
_FLOAT_ORDER = {"float16": 0, "bfloat16": 0, "float32": 1, "float64": 2}


def result_type(*dtypes: Any) -> str:
    """The name of the type that operands of these types give.

    ``int`` and ``float`` (the Python types or their names) stand for Python scalars, which only decide the kind.
    Integers promote as in NumPy, except that ``uint64`` with a signed type gives floatx.

    Example::

        keras.backend.result_type("int64", "float32")  # 'float32'
        keras.backend.result_type("int8", float)       # 'float32'
    """
    weak = {_WEAK[d] for d in dtypes if isinstance(d, (str, type)) and d in _WEAK}
    strong = {standardize_dtype(d) for d in dtypes if not (isinstance(d, (str, type)) and d in _WEAK)}
    floats = {name for name in strong if "float" in name}
    if floats:
        widest = max(_FLOAT_ORDER[name] for name in floats)
        if widest == 0 and len(floats) > 1:  # float16 and bfloat16: neither holds the other
            return "float32"
        return next(name for name in floats if _FLOAT_ORDER[name] == widest)
    if "float" in weak or not dtypes:
        return floatx()
    integers = {name for name in strong if name != "bool"}
    if not integers:
        return "int32" if weak else "bool"
    promoted = np.result_type(*integers)
    return floatx() if promoted.kind == "f" else promoted.name
