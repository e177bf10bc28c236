"""Identifiers: one place that turns names, configurations, classes and instances into objects, and back.

Every family (activations, losses, layers, ...) has one :class:`Registry`; its ``get``, ``serialize`` and
``deserialize`` are the module's public functions. Configurations are Keras 3's:
``{"module": ..., "class_name": ..., "config": {...}, "registered_name": ...}``.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .functions import describe_lambda, revive_lambda, safe_mode_scope

# The modules whose classes a configuration may name.
_FAMILIES = (
    "activations",
    "constraints",
    "distillation",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
)

_registries: list[Registry] = []
_custom_objects: dict[str, Any] = {}
_registered_names: dict[Any, str] = {}


class Registry:
    """The objects of one family, by name.

    Args:
        kind: what an object is called in messages, for instance ``"loss"``.
        module: the public module of the family, for instance ``"keras.losses"``.
        base: the class of the family's instances, or None if objects are functions.
    """

    def __init__(self, kind: str, module: str, base: type | None = None) -> None:
        self.kind, self.module, self.base = kind, module, base
        self._objects: dict[str, Any] = {}
        _registries.append(self)

    def add(self, target: Any, *aliases: str) -> Any:
        """Files ``target`` under its own name and the aliases; returns it, so that it serves as a decorator."""
        for name in (target.__name__, *aliases):
            self._objects[name] = target
        return target

    def names(self) -> list[str]:
        """All the names on file."""
        return sorted(self._objects)

    def find(self, name: str) -> Any | None:
        """The object of that name (custom objects first, then exact, then ignoring case), or None."""
        if name in _custom_objects:
            return _custom_objects[name]
        if name in self._objects:
            return self._objects[name]
        folded = name.lower()
        return next((value for key, value in self._objects.items() if key.lower() == folded), None)

    def holds(self, name: str | None, target: Any) -> bool:
        """Whether the family itself has ``target`` under that name; custom objects are nobody's."""
        return name is not None and self._objects.get(name) is target

    def lookup(self, name: str) -> Any:
        """As :meth:`find`, but a missing name is a ValueError that suggests the nearest ones."""
        found = self.find(name)
        if found is None:
            raise ValueError(f"Unknown {self.kind} {name!r}.{suggest(name, self.names())}")
        return found

    def get(self, identifier: Any, custom_objects: dict[str, Any] | None = None) -> Any:
        """The object meant by ``identifier``: None, a name, a configuration, a class (then an instance), an object.

        Raises:
            ValueError: an unknown name (with suggestions) or something that can't be a ``kind``.
        """
        if identifier is None:
            return None
        if isinstance(identifier, str):
            with custom_object_scope(custom_objects or {}):
                found = self.lookup(identifier)
            return found() if inspect.isclass(found) else found
        if isinstance(identifier, dict):
            return deserialize_keras_object(identifier, custom_objects, registry=self)
        if inspect.isclass(identifier):
            identifier = identifier()
        if callable(identifier) or (self.base is not None and isinstance(identifier, self.base)):
            return identifier
        raise ValueError(
            f"Can't make a {self.kind} of {identifier!r}: give a name such as {self.names()[0]!r}, a configuration "
            f"dictionary or a callable."
        )

    def serialize(self, target: Any) -> Any:
        """The name of a function on file, the configuration of an instance."""
        name = getattr(target, "__name__", "")
        if inspect.isfunction(target) and self._objects.get(name) is target:
            return name
        return serialize_keras_object(target)

    def deserialize(self, config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
        """The object that :meth:`serialize` described."""
        return self.get(config, custom_objects)


def suggest(name: str, names: list[str]) -> str:
    """`` Did you mean 'x' or 'y'?`` for the names nearest to ``name``; empty if none is near."""
    by_folded = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), list(by_folded), n=3, cutoff=0.5)
    if not near:
        return f" Known names: {', '.join(names)}."
    return f" Did you mean {' or '.join(repr(by_folded[key]) for key in near)}?"


# ---- custom objects ------------------------------------------------------------------------------------------------


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """Decorator that files a class or function as ``package>name``, so that saved models find it.

    Example::

        @keras.saving.register_keras_serializable(package="mine")
        class Scale(keras.layers.Layer): ...
    """

    def decorate(target: Any) -> Any:
        registered = f"{package}>{name or target.__name__}"
        if inspect.isclass(target) and not hasattr(target, "get_config"):
            raise ValueError(f"{target.__name__} can't be registered: it has no get_config() method.")
        _custom_objects[registered] = target
        _registered_names[target] = registered
        return target

    return decorate


def get_registered_name(obj: Any) -> str:
    """The ``package>name`` of a registered class or function, else its own name."""
    return _registered_names.get(obj, getattr(obj, "__name__", str(obj)))


def get_registered_object(
    name: str, custom_objects: dict[str, Any] | None = None, module_objects: dict[str, Any] | None = None
) -> Any | None:
    """The class or function filed under ``name``, or None."""
    for table in (custom_objects or {}, _custom_objects, module_objects or {}):
        if name in table:
            return table[name]
    return None


def get_custom_objects() -> dict[str, Any]:
    """The dictionary of custom objects by name; writing to it registers them."""
    return _custom_objects


@contextmanager
def custom_object_scope(custom_objects: dict[str, Any] | None) -> Iterator[None]:
    """Within the ``with`` block the given names are known to every ``get`` and ``deserialize``."""
    before = dict(_custom_objects)
    _custom_objects.update(custom_objects or {})
    try:
        yield
    finally:
        _custom_objects.clear()
        _custom_objects.update(before)


# ---- any object ----------------------------------------------------------------------------------------------------


def serialize_keras_object(obj: Any) -> Any:
    """A JSON-able description of an object: plain values as they are, others as a configuration dictionary."""
    if obj is None or isinstance(obj, (str, bool, int, float)):
        return obj
    if isinstance(obj, (list, tuple)):
        return [serialize_keras_object(item) for item in obj]
    if isinstance(obj, dict):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.dtype):
        return obj.name
    if isinstance(obj, slice):
        bounds = obj.start, obj.stop, obj.step
        return {"class_name": "__slice__", "config": dict(zip(("start", "stop", "step"), bounds, strict=True))}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode()}}
    if hasattr(obj, "get_config"):
        cls = type(obj)
        name = getattr(obj, "_config_name", cls.__name__)
        home = next((r.module for r in _registries if r.holds(name, cls)), None)
        description = {
            "module": "keras.src.models.functional" if name == "Functional" else home,
            "class_name": name,
            "config": serialize_keras_object(obj.get_config()),
            "registered_name": None if home else get_registered_name(cls),
        }
        built_for = obj.get_build_config() if hasattr(obj, "get_build_config") else None
        if built_for is not None:
            description["build_config"] = serialize_keras_object(built_for)
        return description
    if hasattr(obj, "__array__"):
        values = np.asarray(obj)
        return {"class_name": "__numpy__", "config": {"value": values.tolist(), "dtype": values.dtype.name}}
    if callable(obj):
        name = getattr(obj, "__name__", None)
        home = next((r.module for r in _registries if r.holds(name, obj)), None)
        if name == "<lambda>":
            return describe_lambda(obj)
        if name is None:
            raise ValueError(f"{obj!r} has no name to be saved under; use a function made with def.")
        return {
            "module": home,
            "class_name": "function",
            "config": name,
            "registered_name": None if home else get_registered_name(obj),
        }
    raise ValueError(f"{obj!r} of type {type(obj).__name__} can't be described: it has no get_config().")


def deserialize_keras_object(
    config: Any,
    custom_objects: dict[str, Any] | None = None,
    safe_mode: bool = True,
    registry: Registry | None = None,
    **kwargs: Any,
) -> Any:
    """The object that :func:`serialize_keras_object` described. Code is run only with ``safe_mode=False``."""
    if isinstance(config, (list, tuple)):
        return [deserialize_keras_object(item, custom_objects, safe_mode) for item in config]
    if not isinstance(config, dict):
        return registry.get(config, custom_objects) if registry else config
    if "class_name" not in config:
        if registry:
            raise ValueError(
                f"The configuration of a {registry.kind} needs the key 'class_name'; got {sorted(config)}."
            )
        return {key: deserialize_keras_object(value, custom_objects, safe_mode) for key, value in config.items()}
    class_name, inner = config["class_name"], config.get("config", {})
    if class_name == "__lambda__":
        with safe_mode_scope(safe_mode):
            return revive_lambda(inner)
    if class_name in _LITERALS:
        return _LITERALS[class_name](inner)
    if class_name == "__numpy__":
        return np.asarray(inner["value"], dtype=inner["dtype"])
    with custom_object_scope(custom_objects or {}):
        if class_name == "function":
            return _find(inner, config, registry)
        target = _find(class_name, config, registry)
        if not inspect.isclass(target):
            return target
        inner = _fitted(target, inner) if _is_ours(target) else dict(inner)
        revived = target.from_config(inner) if hasattr(target, "from_config") else target(**inner)
        built_for = config.get("build_config")
        if built_for and hasattr(revived, "build_from_config") and not getattr(revived, "built", True):
            revived.build_from_config(built_for)
        return revived


_LITERALS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "__slice__": lambda config: slice(config["start"], config["stop"], config["step"]),
    "__ellipsis__": lambda config: Ellipsis,
    "__bytes__": lambda config: config["value"].encode(),
}


def _is_ours(target: type) -> bool:
    return target.__module__.startswith(f"{__package__}.")


def _fitted(target: type, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration without the options that ``target`` doesn't have and that are off: other versions write them.

    An unknown option that is on stays, and the constructor refuses it.
    """
    parameters = inspect.signature(target.__init__).parameters.values()  # type: ignore[misc]
    known = {p.name for p in parameters}
    for base in target.__mro__[1:]:
        if any(p.kind is p.VAR_KEYWORD for p in parameters) and "__init__" in vars(base):
            known |= set(inspect.signature(base.__init__).parameters)  # type: ignore[misc]
    return {k: v for k, v in config.items() if k in known or (v is not None and v is not False)}


def _find(name: str, config: dict[str, Any], registry: Registry | None) -> Any:
    registered = config.get("registered_name")
    if registered and registered in _custom_objects:
        return _custom_objects[registered]
    module = config.get("module") or ""
    family = module.removeprefix("keras.").removeprefix("src.").split(".")[0]
    for part in [family] if family in _FAMILIES else _FAMILIES if not registry else []:
        importlib.import_module(f".{part}", __package__)  # files its classes
    candidates = [registry] if registry else sorted(_registries, key=lambda r: r.module != module)  # its own first
    for candidate in candidates:
        found = candidate.find(name)
        if found is not None:
            return found
    if registry:
        return registry.lookup(name)
    raise ValueError(
        f"Unknown object {name!r}. If it is your own, register it with keras.saving.register_keras_serializable() "
        f"or pass custom_objects={{{name!r}: {name}}}."
    )
