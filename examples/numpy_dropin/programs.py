"""Eight ordinary NumPy programs. Each takes the namespace as ``np``: NumPy itself, or chainrule.numpy.

``python examples/numpy_dropin/compare.py`` runs them with both and compares results and times.
"""

from __future__ import annotations

from typing import Any


def k_means(np: Any, points: Any, centres: Any, steps: int = 10) -> Any:
    """Lloyd's algorithm: points (n, d), first centres (k, d)."""
    for _ in range(steps):
        distances = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
        nearest = np.argmin(distances, axis=1)
        chosen = (nearest[:, None] == np.arange(centres.shape[0])[None, :]).astype(points.dtype)
        counts = np.maximum(chosen.sum(axis=0), 1)
        centres = chosen.T @ points / counts[:, None]
    return centres


def principal_components(np: Any, data: Any, count: int = 3) -> Any:
    """The variances along the first principal axes of data (n, d)."""
    centred = data - data.mean(axis=0)
    covariance = centred.T @ centred / (data.shape[0] - 1)
    values, vectors = np.linalg.eigh(covariance)
    projected = centred @ vectors[:, ::-1][:, :count]
    return projected.var(axis=0)


def black_scholes(np: Any, price: Any, strike: Any, time: Any) -> Any:
    """Values of European call options (rate 2 %, volatility 30 %)."""

    def normal_cdf(d: Any) -> Any:  # Abramowitz and Stegun, 26.2.17
        k = 1 / (1 + 0.2316419 * np.abs(d))
        series = k * (0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))))
        tail = 0.3989422804 * np.exp(-0.5 * d * d) * series
        return np.where(d > 0, 1 - tail, tail)

    spread = 0.3 * np.sqrt(time)
    d1 = (np.log(price / strike) + 0.065 * time) / spread
    return price * normal_cdf(d1) - strike * np.exp(-0.02 * time) * normal_cdf(d1 - spread)


def n_body(np: Any, positions: Any, velocities: Any, masses: Any, steps: int = 20, dt: float = 0.01) -> Any:
    """Bodies under their gravity, softened: positions (n, 3), velocities (n, 3), masses (n,)."""
    for _ in range(steps):
        apart = positions[None, :, :] - positions[:, None, :]
        cubed = (np.sum(apart**2, axis=2) + 0.01) ** -1.5
        velocities = velocities + dt * np.sum(apart * (cubed * masses[None, :])[:, :, None], axis=1)
        positions = positions + dt * velocities
    return positions


def heat(np: Any, field: Any, steps: int = 50) -> Any:
    """The heat equation on a square by finite differences, the edge kept."""
    field = field.copy()
    for _ in range(steps):
        inside = field[1:-1, 1:-1]
        around = field[:-2, 1:-1] + field[2:, 1:-1] + field[1:-1, :-2] + field[1:-1, 2:]
        field[1:-1, 1:-1] = inside + 0.2 * (around - 4 * inside)
    return field


def logistic_regression(np: Any, x: Any, y: Any, steps: int = 50, rate: float = 0.5) -> Any:
    """Weights of a logistic regression by gradient descent, the gradient by hand."""
    weights = np.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        probability = 1 / (1 + np.exp(-(x @ weights)))
        weights -= rate * (x.T @ (probability - y)) / x.shape[0]
    return weights


def mandelbrot(np: Any, real: Any, imaginary: Any, steps: int = 30) -> Any:
    """How many steps each point of the plane stays within radius 2."""
    a, b = np.zeros_like(real), np.zeros_like(real)
    count = np.zeros(real.shape, dtype="int64")
    for _ in range(steps):
        squared_a, squared_b = a * a, b * b
        inside = squared_a + squared_b <= 4
        count += inside
        a, b = np.where(inside, squared_a - squared_b + real, a), np.where(inside, 2 * a * b + imaginary, b)
    return count


def game_of_life(np: Any, board: Any, steps: int = 20) -> Any:
    """Conway's game on a torus; board of 0 and 1."""
    for _ in range(steps):
        neighbours = sum(
            np.roll(board, (i, j), axis=(0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)
        )
        board = ((neighbours == 3) | ((board == 1) & (neighbours == 2))).astype(board.dtype)
    return board


def inputs(numpy: Any, scale: int = 1) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Every program with NumPy arrays to run it on, ``scale`` times as many elements."""
    rng = numpy.random.default_rng(0)
    points = rng.standard_normal((2000 * scale, 8)).astype("float32")
    side = int(200 * scale**0.5)
    grid = numpy.meshgrid(numpy.linspace(-2, 1, side), numpy.linspace(-1.2, 1.2, side))
    features = rng.standard_normal((2000 * scale, 20))
    labels = (features @ rng.standard_normal(20) > 0).astype("float64")
    bodies = int(100 * scale**0.5)
    options = [rng.uniform(low, high, 20000 * scale) for low, high in ((10, 50), (10, 50), (1, 2))]
    return {
        "k_means": (k_means, (points, points[:10].copy())),
        "principal_components": (principal_components, (features,)),
        "black_scholes": (black_scholes, tuple(options)),
        "n_body": (n_body, (rng.standard_normal((bodies, 3)), rng.standard_normal((bodies, 3)), rng.random(bodies))),
        "heat": (heat, (rng.random((side, side)),)),
        "logistic_regression": (logistic_regression, (features, labels)),
        "mandelbrot": (mandelbrot, tuple(grid)),
        "game_of_life": (game_of_life, ((rng.random((side, side)) < 0.3).astype("int32"),)),
    }
