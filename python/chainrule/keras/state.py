"""The variables of a model as a tree by their paths, for saving and restoring by other means."""

from __future__ import annotations

from typing import Any

from .variables import Variable


def _groups(model: Any) -> dict[str, list[Variable]]:
    groups = {
        "trainable_variables": model.trainable_variables,
        "non_trainable_variables": model.non_trainable_variables,
    }
    if model.optimizer is not None:
        groups["optimizer_variables"] = model.optimizer.variables
    groups["metrics_variables"] = model.metrics_variables
    return groups


def state_tree(model: Any, value_format: str = "backend_tensor") -> dict[str, Any]:
    """The values of a model's variables, nested by the parts of their paths.

    Raises:
        ValueError: two variables of one path, or an unknown format.
    """
    if value_format not in ("backend_tensor", "numpy_array"):
        raise ValueError(
            f"get_state_tree: value_format must be 'backend_tensor' or 'numpy_array', got {value_format!r}."
        )
    trees: dict[str, Any] = {}
    for group, variables in _groups(model).items():
        tree: dict[str, Any] = {}
        for variable in variables:
            *parents, name = variable.path.split("/")
            place = tree
            for parent in parents:
                place = place.setdefault(parent, {})
            if name in place:
                raise ValueError(
                    f"The following variable path is found twice in the model: {variable.path!r}. Give the layers "
                    f"different names."
                )
            place[name] = variable.value if value_format == "backend_tensor" else variable.numpy()
        trees[group] = tree
    return trees


def assign_state_tree(model: Any, trees: dict[str, Any]) -> None:
    """Writes values that :func:`state_tree` gave; parts that aren't there stay as they are.

    Raises:
        ValueError: an unknown group of variables.
    """
    groups = _groups(model)
    for group, tree in trees.items():
        if group not in groups and group != "optimizer_variables":
            raise ValueError(f"Unknown variable name: {group}; there are {', '.join(groups)}.")
        for variable in groups.get(group, ()):
            value: Any = tree
            for part in variable.path.split("/"):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None:
                variable.assign(value)
