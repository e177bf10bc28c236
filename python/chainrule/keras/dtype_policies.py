"""Which types layers compute in and hold their weights in: ``keras.DTypePolicy``, and the global one.

``"float32"`` means that type for both. ``"mixed_bfloat16"`` and ``"mixed_float16"`` compute in the half type and keep
the weights in float32: within a layer's ``call`` its float inputs and its variables are seen in the half type.
Gradients come back to the float32 weights; losses and statistics of normalisation are float32.
"""

from __future__ import annotations

from typing import Any

from .config import floatx, standardize_dtype

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}

_global: DTypePolicy | None = None


class DTypePolicy:
    """The type of a layer's computation and that of its weights.

    Args:
        name: a type ("float32", "bfloat16", ...), "mixed_bfloat16" or "mixed_float16"; the global policy's by default.

    Example::

        policy = keras.DTypePolicy("mixed_bfloat16")
        policy.compute_dtype, policy.variable_dtype   # ('bfloat16', 'float32')
        keras.layers.Dense(10, dtype=policy)
    """

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = dtype_policy().name
        if not isinstance(name, str):
            raise TypeError(f"DTypePolicy: 'name' must be a string such as 'mixed_bfloat16', got {name!r}.")
        try:
            self._compute_dtype = _MIXED.get(name) or standardize_dtype(name)
        except ValueError:
            raise ValueError(
                f"Cannot convert {name!r} to a mixed precision DTypePolicy; use 'mixed_float16', 'mixed_bfloat16' or a "
                f"type such as 'float32'."
            ) from None
        self._name = name
        self._variable_dtype = "float32" if name in _MIXED else self._compute_dtype

    @property
    def name(self) -> str:
        """The name it was made with."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """The type of computations and outputs."""
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The type of weights."""
        return self._variable_dtype

    @property
    def quantization_mode(self) -> None:
        """None: layers are not quantised."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """A policy made with ``config``."""
        return cls(**config)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, DTypePolicy) and self._name == other._name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self._name}">'


FloatDTypePolicy = DTypePolicy


def dtype_policy() -> DTypePolicy:
    """The global policy, which layers made without ``dtype`` take: that of :func:`keras.config.floatx` unless set."""
    return _global or DTypePolicy(floatx())


def set_dtype_policy(policy: Any) -> None:
    """Sets the global policy, by its name or as a :class:`DTypePolicy`.

    Example: ``keras.config.set_dtype_policy("mixed_bfloat16")``
    """
    global _global
    if not isinstance(policy, (str, DTypePolicy)):
        raise ValueError(
            f"Invalid `policy` argument: expected the name of a policy such as 'mixed_bfloat16', or a DTypePolicy, got "
            f"{policy!r}."
        )
    _global = policy if isinstance(policy, DTypePolicy) else DTypePolicy(policy)


def forget_policy() -> None:
    """The global policy is that of floatx again."""
    global _global
    _global = None


def get(identifier: Any) -> DTypePolicy:
    """The policy meant by a name, a type, a configuration or a policy; the global one for None."""
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    return DTypePolicy(identifier if isinstance(identifier, str) else standardize_dtype(identifier))


def serialize(policy: DTypePolicy) -> dict[str, Any]:
    """The policy as Keras' files hold it."""
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": policy.get_config(),
        "registered_name": None,
    }


def deserialize(config: dict[str, Any], custom_objects: Any = None) -> DTypePolicy:
    """The policy of a configuration. ValueError for one of a kind that is not supported (of quantised layers)."""
    if config.get("class_name") not in ("DTypePolicy", "FloatDTypePolicy"):
        raise ValueError(f"{config.get('class_name')!r} is not supported as a dtype policy; there is DTypePolicy.")
    return DTypePolicy(**config["config"])
