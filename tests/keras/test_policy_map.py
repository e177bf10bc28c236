"""Policies of layers by their paths."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import layers
from chainrule.keras.dtype_policies import DTypePolicyMap


def test_lookups() -> None:
    policies = DTypePolicyMap("float32", {"a/dense": keras.DTypePolicy("float16")})
    policies["b/.*"] = "mixed_bfloat16"
    assert [policies[path].name for path in ("a/dense", "b/attention/query", "b", "c")] == [
        "float16",
        "mixed_bfloat16",
        "float32",
        "float32",
    ]
    assert (policies.name, policies.compute_dtype, len(policies), list(policies)) == (
        "map_float32",
        "float32",
        2,
        ["a/dense", "b/.*"],
    )
    assert keras.dtype_policies.deserialize(keras.dtype_policies.serialize(policies)) == policies
    del policies["b/.*"]
    assert "b/.*" not in policies


def test_wrong_entries() -> None:
    policies = DTypePolicyMap()
    policies["a.*"] = "float16"
    with pytest.raises(ValueError, match="already exist"):
        policies["a.*"] = "float32"
    with pytest.raises(ValueError, match="Cannot interpret"):
        policies["c"] = "float17"
    policies["ab.*"] = "float32"
    with pytest.raises(ValueError, match="multiple"):
        policies["abc"]
    with pytest.raises(ValueError, match="cannot be"):
        DTypePolicyMap(policies)
    with pytest.raises(TypeError, match="dict"):
        DTypePolicyMap("float32", "float16")


def test_layers_take_their_own() -> None:
    policies = DTypePolicyMap("float32")
    policies["b"] = "mixed_bfloat16"
    x = keras.Input((4,))
    y = layers.Dense(3, name="a", dtype=policies)(x)
    z = layers.Dense(2, name="b", dtype=policies)(y)
    model = keras.Model(x, z)
    assert [layer.compute_dtype for layer in model.layers[1:]] == ["float32", "bfloat16"]
    assert model.layers[2].dtype_policy.name == "mixed_bfloat16"
    assert model.layers[2].kernel.dtype == "float32"
    assert model(np.ones((2, 4))).dtype == "bfloat16"
