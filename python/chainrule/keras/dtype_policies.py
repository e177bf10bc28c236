"""Which types layers compute in and hold their weights in: ``keras.DTypePolicy``, and the global one.

``"float32"`` means that type for both. ``"mixed_bfloat16"`` and ``"mixed_float16"`` compute in the half type and keep
the weights in float32: within a layer's ``call`` its float inputs and its variables are seen in the half type.
Gradients come back to the float32 weights; losses and statistics of normalisation are float32.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from typing import Any

from .config import floatx, standardize_dtype
from .registry import Registry, deserialize_keras_object, serialize_keras_object

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


class DTypePolicyMap(DTypePolicy, MutableMapping[str, DTypePolicy]):
    """Policies of a model's layers, by their paths; a layer that gets the map as its ``dtype`` takes that of its path.

    Keys are paths (``layer.path``) or regular expressions that must match a whole path. A path without an entry has
    ``default_policy``.

    Args:
        default_policy: a policy or its name; the global one by default.
        policy_map: policies by path, to begin with.

    Example::

        policies = keras.dtype_policies.DTypePolicyMap("float32")
        policies["encoder/.*"] = "mixed_bfloat16"
    """

    def __init__(self, default_policy: Any = None, policy_map: dict[str, Any] | None = None) -> None:
        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError("DTypePolicyMap: `default_policy` cannot be a `DTypePolicyMap`.")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(f"DTypePolicyMap: `policy_map` must be a dict, got {policy_map!r}.")
        self._given = default_policy
        self._default = get(default_policy)
        self._policies: dict[str, DTypePolicy] = dict(policy_map or {})

    @property
    def name(self) -> str:
        """``"map_"`` and the name of the default policy."""
        return f"map_{self.default_policy.name}"

    @property
    def default_policy(self) -> DTypePolicy:
        """What paths without an entry have."""
        return self._default

    @property
    def compute_dtype(self) -> str:
        """That of the default policy."""
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """That of the default policy."""
        return self.default_policy.variable_dtype

    def __getitem__(self, key: str) -> DTypePolicy:
        if key in self._policies:
            return self._policies[key]
        fitting = [pattern for pattern in self._policies if re.fullmatch(pattern, key)]
        if len(fitting) > 1:
            raise ValueError(
                f"Path '{key}' matches multiple dtype policy specification keys: {fitting}. Each path may match one."
            )
        return self._policies[fitting[0]] if fitting else self.default_policy

    def __setitem__(self, key: str, policy: Any) -> None:
        if key in self._policies:
            raise ValueError(f"{key} already exist in the DTypePolicyMap with value {self._policies[key]}.")
        try:
            self._policies[key] = get(policy)
        except Exception:
            raise ValueError(
                f"Cannot interpret the assigned value by `keras.dtype_policies.get`: {policy!r} of type "
                f"{type(policy).__name__}."
            ) from None

    def __delitem__(self, key: str) -> None:
        del self._policies[key]

    def __contains__(self, key: object) -> bool:
        return key in self._policies

    def __len__(self) -> int:
        return len(self._policies)

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, DTypePolicyMap):
            return False
        return self.default_policy == other.default_policy and self._policies == other._policies

    __hash__ = None  # type: ignore[assignment]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        given = self._given
        return {
            "default_policy": serialize_keras_object(given) if isinstance(given, DTypePolicy) else given,
            "policy_map": serialize_keras_object(self._policies),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> DTypePolicyMap:
        """A map made with ``config``."""
        default, policies = config["default_policy"], config["policy_map"]
        return cls(
            get(default) if isinstance(default, dict) else default, deserialize_keras_object(policies, custom_objects)
        )

    def __repr__(self) -> str:
        entries = [(key, policy.name) for key, policy in self._policies.items()]
        return f"<DTypePolicyMap at {hex(id(self))} default_policy={self.default_policy.name}, mapping={entries}>"


_registry = Registry("dtype policy", "keras", DTypePolicy)
_registry.add(DTypePolicy, "FloatDTypePolicy")
_map_registry = Registry("dtype policy", "keras.dtype_policies", DTypePolicy)
_map_registry.add(DTypePolicyMap)


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


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """The policy as Keras' files hold it."""
    return serialize_keras_object(dtype_policy)


def deserialize(config: dict[str, Any], custom_objects: Any = None) -> DTypePolicy:
    """The policy of a configuration. ValueError for one of a kind that is not supported (of quantised layers)."""
    for registry in (_registry, _map_registry):
        if registry.find(str(config.get("class_name"))) is not None:
            return deserialize_keras_object(config, custom_objects, registry=registry)
    raise ValueError(
        f"{config.get('class_name')!r} is not supported as a dtype policy; there are DTypePolicy and DTypePolicyMap."
    )
