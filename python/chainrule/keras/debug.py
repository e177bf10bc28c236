"""``fit(check_nan=True)``: the first value that isn't finite, and the layer and batch it comes from."""

from __future__ import annotations

from typing import Any

import numpy as np

from .symbolic import flatten


class FiniteCheck:
    """Called with each layer's outputs while steps run op by op.

    Raises:
        FloatingPointError: NaN or infinity in the data, a layer's outputs or its weights, whichever comes first.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, layer: Any, outputs: Any) -> None:
        for output in flatten(outputs):
            if not hasattr(output, "numpy") or output.dtype.kind != "f":
                continue
            values = output.numpy()
            if np.isfinite(values).all():
                continue
            spoiled = [v.path for v in layer.weights if not np.isfinite(v.numpy()).all()]
            step = int(self.model.optimizer.iterations.numpy()) + 1
            what, count = (
                ("NaN", np.isnan(values).sum()) if np.isnan(values).any() else ("infinity", np.isinf(values).sum())
            )
            cause = (
                f"its weights {spoiled} already hold such values: the update of the step before made them (try a "
                f"smaller "
                f"learning_rate or clipnorm=1.0)"
                if spoiled
                else "its weights are finite: look at its inputs (np.isfinite(x).all()) and at this layer's computation"
            )
            raise FloatingPointError(
                f"Step {step}: the output of layer {layer.name!r} ({type(layer).__name__}) of shape "
                f"{tuple(values.shape)} has "
                f"{what} in {count} of {values.size} places; {cause}."
            )

    def check_inputs(self, data: Any) -> None:
        """FloatingPointError if the data itself isn't finite."""
        for label, part in (("x", data.x), ("y", data.y), ("sample_weight", data.sample_weight)):
            for leaf in flatten(part) if part is not None else ():
                values = leaf.numpy()
                if values.dtype.kind == "f" and not np.isfinite(values).all():
                    row = int(np.argwhere(~np.isfinite(values))[0][0])
                    raise FloatingPointError(
                        f"{label} itself holds values that aren't finite: {values[~np.isfinite(values)].size} of "
                        f"them, the "
                        f"first in row {row}. Remove those rows or replace the values (np.nan_to_num)."
                    )
