"""A training step of a small network while other processes keep the processors busy, here and in the peers.

    python bench/python/busy_machine.py [--only chainrule torch jax] [--busy 2] [--rounds 5] [--out results.json]

The work is that of mlp128: 784-128-10, relu, cross-entropy of integer labels, Adam, batch 32. chainrule: `fit`; torch:
an eager loop; jax: one jitted step. Each library lives in a process of its own and trains when it is told to, so they
never wait in each other's threads. A round measures all of them alone, then all of them beside `--busy` processes that
do nothing but compute. Peers that aren't installed are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import harness
import numpy as np

STEPS, BATCH = 400, 32


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((STEPS * BATCH, 784), np.float32), rng.integers(0, 10, STEPS * BATCH)


def with_chainrule() -> Callable[[], Any]:
    from chainrule import keras

    x, y = data()
    layers = keras.layers
    model = keras.Sequential([keras.Input((784,)), layers.Dense(128, "relu"), layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return lambda: model.fit(x, y, batch_size=BATCH, verbose=0)


def with_torch() -> Callable[[], Any]:
    import torch

    x, y = (torch.from_numpy(values) for values in data())
    model = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters())
    loss_of = torch.nn.CrossEntropyLoss()

    def run() -> None:
        for first in range(0, len(x), BATCH):
            loss = loss_of(model(x[first : first + BATCH]), y[first : first + BATCH])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def with_jax() -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    x, y = data()
    labels = y.astype(np.int32)
    rng = np.random.default_rng(1)
    sizes = ((784, 128), (128, 10))
    weights = [jnp.asarray(rng.normal(0, (2 / m) ** 0.5, (m, n)), jnp.float32) for m, n in sizes]
    state = [*weights, *(jnp.zeros(n) for _, n in sizes)]
    moments = [[jnp.zeros_like(w) for w in state] for _ in range(2)]

    def loss_of(state: list[Any], x: Any, y: Any) -> Any:
        hidden = jnp.maximum(x @ state[0] + state[2], 0)
        log_p = jax.nn.log_softmax(hidden @ state[1] + state[3])
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], 1))

    @jax.jit
    def step(state: list[Any], m: list[Any], v: list[Any], t: Any, x: Any, y: Any) -> Any:
        gradients = jax.grad(loss_of)(state, x, y)
        m = [a + (g - a) * 0.1 for a, g in zip(m, gradients, strict=True)]
        v = [a + (g * g - a) * 0.001 for a, g in zip(v, gradients, strict=True)]
        rate = 0.001 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        state = [w - rate * a / (jnp.sqrt(b) + 1e-7) for w, a, b in zip(state, m, v, strict=True)]
        return state, m, v

    def run() -> None:
        values, (m, v) = state, moments
        for i in range(STEPS):
            rows = slice(i * BATCH, (i + 1) * BATCH)
            values, m, v = step(values, m, v, np.float32(i + 1), x[rows], labels[rows])
        jax.block_until_ready(values)

    return run


LIBRARIES = {"chainrule": with_chainrule, "torch": with_torch, "jax": with_jax}


def serve(library: str, pipe: Connection) -> None:
    """Trains once for every message, and answers with the seconds of a step."""
    run = LIBRARIES[library]()
    run()
    pipe.send(0.0)
    while pipe.recv():
        start = time.perf_counter()
        run()
        pipe.send((time.perf_counter() - start) / STEPS)


def compute(ready: Any) -> None:
    ready.set()
    value = 1
    while True:
        value = value * 1103515245 % 2147483648


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Within the block, that many processes compute."""
    spawn = multiprocessing.get_context("spawn")
    running = []
    try:
        for _ in range(processes):
            ready = spawn.Event()
            running.append(spawn.Process(target=compute, args=(ready,), daemon=True))
            running[-1].start()
            ready.wait()
        yield
    finally:
        for process in running:
            process.terminate()
            process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(LIBRARIES), choices=list(LIBRARIES))
    parser.add_argument("--busy", type=int, default=2, help="processes that compute")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a JSON file with the samples, the machine and the commit")
    options = parser.parse_args()

    spawn = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for library in options.only:
        if importlib.util.find_spec(library) is None:
            print(f"{library}: not installed, left out")
            continue
        ours, theirs = spawn.Pipe()
        spawn.Process(target=serve, args=(library, theirs), daemon=True).start()
        theirs.close()
        ours.recv()
        pipes[library] = ours

    def measured() -> dict[str, float]:
        result = {}
        for library, pipe in pipes.items():
            pipe.send(True)
            result[library] = pipe.recv()
        return result

    alone: dict[str, list[float]] = {library: [] for library in pipes}
    beside: dict[str, list[float]] = {library: [] for library in pipes}
    for _ in range(options.rounds):
        for samples, processes in ((alone, 0), (beside, options.busy)):
            with busy(processes):
                for library, seconds in measured().items():
                    samples[library].append(seconds)

    print(f"| a step of mlp128 | alone | beside {options.busy} busy processes | slower by |")
    print("| --- | ---: | ---: | ---: |")
    for library in pipes:
        ratio = statistics.median(b / a for a, b in zip(alone[library], beside[library], strict=True))
        figures = (harness.readable(statistics.median(samples[library])) for samples in (alone, beside))
        print(f"| {library} | {' | '.join(figures)} | {ratio:.2f} |")
    if options.out:
        rows = {"mlp128, alone": alone, "mlp128, busy": beside}
        options.out.write_text(json.dumps({"machine": harness.machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
