"""For every op of the core: example calls and what NumPy (or SciPy, or the formula) says they give.

A new op needs an entry in SAMPLES, in one of the modules below; test_every_op.py does the rest.
"""

from __future__ import annotations

import samples_elementwise  # noqa: F401  (each fills SAMPLES)
import samples_fourier  # noqa: F401
import samples_networks  # noqa: F401
import samples_numeric  # noqa: F401
import samples_places  # noqa: F401
import samples_recurrent  # noqa: F401
import samples_sequences  # noqa: F401
import samples_state  # noqa: F401
import samples_windows  # noqa: F401
from sampling import SAMPLES, Case, Samples

__all__ = ["SAMPLES", "Case", "Samples"]
