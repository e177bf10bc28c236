"""``keras.mixed_precision``: dtype policies and loss scaling under their older home.

Example::

    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = ...          # layers made from here on compute in bfloat16, with float32 weights
"""

from .dtype_policies import DTypePolicy, dtype_policy, set_dtype_policy
from .optimizers import LossScaleOptimizer

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]
