"""Methods that programs written for Keras may call and that layers here refuse, with what to do instead."""

from __future__ import annotations

from typing import Any


class Refusals:
    """Base of :class:`Layer`."""

    name: str

    @property
    def quantization_mode(self) -> None:
        """None: layers are not quantised."""
        return None

    def quantize(self, mode: str | None = None, type_check: bool = True, config: Any = None) -> None:
        """Raises NotImplementedError: layers are not quantised."""
        raise NotImplementedError(
            f"Layer {self.name!r} ({type(self).__name__}): quantize() is not supported; for smaller weights and "
            f"faster products make the model with dtype='mixed_bfloat16' or 'bfloat16'."
        )

    def add_metric(self, *args: Any, **kwargs: Any) -> None:
        """Raises NotImplementedError, as in Keras 3: metrics are attributes that ``call`` updates."""
        raise NotImplementedError(
            f"Layer {self.name!r} ({type(self).__name__}): add_metric() is gone in Keras 3. Make a metric an attribute "
            f"in __init__ (self.ratio = keras.metrics.Mean(name='ratio')) and call its update_state in call()."
        )
