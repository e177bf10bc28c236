"""TensorBoard: the logs of training as event files that the program TensorBoard shows. No package is needed to write.

An event file is a row of records: length, checksum of the length, data, checksum of the data; the checksum is
CRC-32C, rotated and offset. The data is a protocol buffer ``Event`` (time 1, step 2, version 3, summary 5), its summary
a list of values (tag 1, number 2, histogram 5).

Source: tensorflow/core/util/event.proto, framework/summary.proto, lib/io/record_writer.h.
"""

from __future__ import annotations

import os
import struct
import time
from typing import Any, BinaryIO

import numpy as np

from .base import Callback


def _crc_table() -> list[int]:
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_CRC_TABLE = _crc_table()


def _checksum(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


class EventFile:
    """An event file in a folder, written record by record."""

    def __init__(self, folder: str) -> None:
        import socket

        os.makedirs(folder, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
        self._file: BinaryIO = open(os.path.join(folder, name), "wb")  # noqa: SIM115 - closed by close()
        self._write(_double(1, time.time()) + _bytes(3, b"brain.Event:2"))

    def _write(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        self._file.write(length + _checksum(length) + event + _checksum(event))

    def _value(self, tag: str, value: bytes, step: int) -> None:
        summary = _bytes(1, _bytes(1, tag.encode()) + value)
        self._write(_double(1, time.time()) + _varint(2 << 3) + _varint(step) + _bytes(5, summary))

    def scalar(self, tag: str, value: float, step: int) -> None:
        """A number."""
        self._value(tag, _varint(2 << 3 | 5) + struct.pack("<f", value), step)

    def histogram(self, tag: str, values: np.ndarray, step: int) -> None:
        """How values are distributed, in 30 intervals."""
        counts, edges = np.histogram(values, bins=30)
        moments = (values.min(), values.max(), values.size, values.sum(), np.square(values).sum())
        packed = b"".join(_double(i, float(v)) for i, v in enumerate(moments, 1))
        packed += _bytes(6, np.asarray(edges[1:], "<f8").tobytes()) + _bytes(7, np.asarray(counts, "<f8").tobytes())
        self._value(tag, _bytes(5, packed), step)

    def flush(self) -> None:
        """Lets readers see what was written."""
        self._file.flush()

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


class TensorBoard(Callback):
    """Writes losses and metrics for TensorBoard: ``epoch_loss``, ... in ``log_dir/train`` and ``log_dir/validation``.

    Args:
        log_dir: the folder.
        histogram_freq: every how many epochs to write the distributions of the weights; 0 for never.
        update_freq: "epoch", or every how many batches ("batch": each) to write ``batch_loss``, ... too.
        write_steps_per_second: whether to write ``epoch_steps_per_second``.
        write_graph, write_images, profile_batch, embeddings_freq, embeddings_metadata: accepted, but nothing of the
            kind is written.

    Example: ``model.fit(x, y, callbacks=[keras.callbacks.TensorBoard("logs")])``, then ``tensorboard --logdir logs``.
    """

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        if update_freq not in ("epoch", "batch") and not isinstance(update_freq, int):
            raise ValueError(f"TensorBoard: update_freq must be 'epoch', 'batch' or a number, got {update_freq!r}.")
        self.log_dir, self.histogram_freq, self.update_freq = os.fspath(log_dir), histogram_freq, update_freq
        self.write_graph, self.write_images, self.write_steps_per_second = (
            write_graph,
            write_images,
            write_steps_per_second,
        )
        self.profile_batch = profile_batch
        self.embeddings_freq, self.embeddings_metadata = embeddings_freq, embeddings_metadata
        self._files: dict[str, EventFile] = {}
        self._started, self._step, self._training = 0.0, 0, False
        self._active_hooks = {"on_epoch_begin", "on_epoch_end"}
        if update_freq != "epoch":
            self._active_hooks.add("on_train_batch_end")

    def _to(self, run: str) -> EventFile:
        if run not in self._files:
            self._files[run] = EventFile(os.path.join(self.log_dir, run))
        return self._files[run]

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._step, self._training = 0, True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._training = False
        self._close()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started = time.perf_counter()
        self._first_step = int(self.model.optimizer._iterations)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step += 1
        if self._step % (1 if self.update_freq == "batch" else self.update_freq) == 0:
            for name, value in (logs or {}).items():
                self._to("train").scalar(f"batch_{name}", float(value), self._step)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = dict(logs or {})
        rate = getattr(self.model.optimizer, "learning_rate", None)
        if rate is not None:
            logs["learning_rate"] = float(rate)
        if self.write_steps_per_second:
            steps = int(self.model.optimizer._iterations) - self._first_step
            logs["steps_per_second"] = steps / (time.perf_counter() - self._started)
        for name, value in logs.items():
            run = "validation" if name.startswith("val_") else "train"
            if np.ndim(value) == 0:
                self._to(run).scalar(f"epoch_{name.removeprefix('val_')}", float(value), epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for variable in self.model.weights:
                self._to("train").histogram(variable.path, variable.numpy(), epoch)
        for file in self._files.values():
            file.flush()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.model.optimizer is None or not self.model.optimizer.built:
            return
        step = int(self.model.optimizer._iterations)
        for name, value in (logs or {}).items():
            if np.ndim(value) == 0:
                self._to("validation").scalar(f"evaluation_{name}_vs_iterations", float(value), step)
        if not self._training:
            self._close()
