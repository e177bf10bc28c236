"""Layers that number strings and integers by a vocabulary, and text split into tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import chainrule
from chainrule import _core

from ..config import floatx
from ..symbolic import KerasTensor
from ..variables import Tensor, Variable
from .base import Layer, registry
from .hashing import checked_salt, fingerprint64, siphash
from .numerical import batches, encode, encoded_shape

_op = _core.ops

OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")


def _array(inputs: Any) -> np.ndarray:
    """Any inputs (strings, bytes, numbers, nested lists of them) as an ndarray."""
    if isinstance(inputs, (Tensor, Variable)):
        return np.asarray(inputs)
    values = np.asarray(inputs)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    elif values.dtype.kind == "O":
        decode = np.frompyfunc(lambda v: v.decode("utf-8") if isinstance(v, bytes) else v, 1, 1)
        values = decode(values)
    return values


class _Vocabulary(Layer):
    """What StringLookup and IntegerLookup share: index 0 is the mask's (if there is one), then those of unknown
    tokens, then the vocabulary."""

    _keeps_integers = True

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        sparse: bool,
        pad_to_max_tokens: bool,
        name: str | None,
        **kwargs: Any,
    ) -> None:
        where = type(self).__name__
        output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
        for saved in ("vocabulary_size", "has_input_vocabulary", "trainable", "dtype"):
            kwargs.pop(saved, None)
        if output_mode not in OUTPUT_MODES:
            raise ValueError(f"{where}: output_mode must be one of {OUTPUT_MODES}, got {output_mode!r}.")
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(f"{where}: max_tokens must be greater than 1, got {max_tokens}.")
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(f"{where}: pad_to_max_tokens needs max_tokens.")
        if num_oov_indices < 0:
            raise ValueError(f"{where}: num_oov_indices must be 0 or more, got {num_oov_indices}.")
        if invert and (output_mode != "int" or num_oov_indices != 1):
            raise ValueError(f"{where}: invert goes with output_mode='int' and num_oov_indices=1.")
        if sparse:
            raise ValueError(f"{where}: sparse outputs are not supported.")
        if (idf_weights is not None) != (output_mode == "tf_idf" and vocabulary is not None):
            raise ValueError(f"{where}: idf_weights go with a vocabulary and output_mode='tf_idf', and only with them.")
        super().__init__(name=name, dtype="int64" if output_mode == "int" else None, **kwargs)
        self.max_tokens, self.num_oov_indices = max_tokens, num_oov_indices
        self.mask_token, self.oov_token = mask_token, oov_token
        self.invert, self.output_mode, self.sparse = invert, output_mode, sparse
        self.pad_to_max_tokens = pad_to_max_tokens
        self.input_vocabulary = vocabulary if not isinstance(vocabulary, str) else None
        self.input_idf_weights = idf_weights
        self._has_input_vocabulary = vocabulary is not None
        self._tokens: list[Any] = []
        self._places: dict[Any, int] = {}
        self._idf: np.ndarray | None = None
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
        self._build_at_init()

    # ---- the vocabulary

    def _token(self, value: Any) -> Any:
        raise NotImplementedError

    def _oov_start(self) -> int:
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    def _token_start(self) -> int:
        return self._oov_start() + self.num_oov_indices

    def vocabulary_size(self) -> int:
        """The number of indices, special ones included."""
        return len(self._tokens) + self._token_start()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their indices."""
        if not include_special_tokens:
            return list(self._tokens)
        mask = [self.mask_token] if self._oov_start() else []
        return mask + [self.oov_token] * self.num_oov_indices + list(self._tokens)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the tokens (a list, an array, or the path of a file with one a line), with or without special ones."""
        where = type(self).__name__
        if isinstance(vocabulary, str):
            with open(vocabulary, encoding="utf-8") as file:
                vocabulary = [line.rstrip("\r\n") for line in file]
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            raise ValueError(f"{where}: idf_weights go with output_mode='tf_idf', and only with it.")
        given = [self._token(value) for value in _array(vocabulary).reshape(-1).tolist()]
        if not given:
            raise ValueError(f"{where}: the vocabulary is empty.")
        special = self.get_vocabulary()[: self._token_start()]
        start = self._token_start()
        with_special = len(given) >= start and given[:start] == special and bool(special)
        tokens = given[start:] if with_special else given
        repeated = [token for token, count in Counter(tokens).items() if count > 1]
        if repeated:
            raise ValueError(f"{where}: the vocabulary repeats {repeated[:5]}.")
        for token in (self.mask_token, self.oov_token if self.invert else None):
            if token is not None and token in tokens:
                raise ValueError(
                    f"{where}: the vocabulary holds the special token {token!r} among the others; special tokens "
                    f"come first ({special}) or not at all."
                )
        if self.max_tokens is not None and len(tokens) + start > self.max_tokens:
            raise ValueError(
                f"{where}: {len(tokens) + start} tokens, special ones included, are more than "
                f"max_tokens={self.max_tokens}."
            )
        self._set_tokens(tokens)
        if idf_weights is not None:
            weights = np.asarray(idf_weights, floatx())
            if weights.shape != (len(given),):
                raise ValueError(f"{where}: {len(given)} tokens need as many idf_weights, got shape {weights.shape}.")
            self._set_idf(weights[start:] if with_special else weights, weights[:start] if with_special else None)

    def _set_tokens(self, tokens: list[Any]) -> None:
        self._tokens = tokens
        start = self._token_start()
        self._places = {token: start + i for i, token in enumerate(tokens)}
        self._idf = None

    def _set_idf(self, weights: np.ndarray, special: np.ndarray | None = None) -> None:
        if special is None:  # those of unknown tokens can't be known; the mean stands for them
            special = np.full(self._token_start(), weights.mean() if weights.size else 0.0)
        idf = np.concatenate([special, weights]).astype(floatx())
        self._idf = np.pad(idf, (0, self._depth() - len(idf)))

    # ---- learning it

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learns the vocabulary: the most frequent tokens first, equally frequent ones from the last in the alphabet.

        ``data``: an array or list of tokens, or batches of them (the first ``steps``).
        """
        if self._has_input_vocabulary:
            raise ValueError(f"{type(self).__name__}: a vocabulary was given; adapt() has nothing to learn.")
        self.reset_state()
        for i, batch in enumerate(batches(data)):
            if steps is not None and i >= steps:
                break
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Counts more tokens; for tf_idf each row is a document."""
        values = _array(data)
        rows = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values.reshape(-1, 1)
        self._count(rows.tolist())

    def _count(self, documents: Iterable[Sequence[Any]]) -> None:
        for document in documents:
            tokens = [self._token(token) for token in document]
            self._counts.update(tokens)
            self._document_counts.update(set(tokens))
            self._documents += 1

    def finalize_state(self) -> None:
        """Makes the vocabulary of the counts."""
        if self._has_input_vocabulary or not self._counts:
            return
        for token in (self.mask_token, self.oov_token):
            self._counts.pop(token, None)
        order = sorted(self._counts, reverse=True)
        order.sort(key=lambda token: -self._counts[token])
        if self.max_tokens is not None:
            order = order[: self.max_tokens - self._token_start()]
        self._set_tokens(order)
        if self.output_mode == "tf_idf":
            seen = np.array([self._document_counts[token] for token in order], "float64")
            self._set_idf(np.log(1.0 + self._documents / (1.0 + seen)))
        self.reset_state()

    def reset_state(self) -> None:
        """Forgets the counts (not the vocabulary)."""
        self._counts: Counter[Any] = Counter()
        self._document_counts: Counter[Any] = Counter()
        self._documents = 0

    # ---- using it

    def _convert(self, x: Any) -> Any:
        return x  # strings have no tensors

    def _ensure_built(self, args: tuple[Any, ...]) -> None:
        pass

    def _depth(self) -> int:
        return self.max_tokens if self.pad_to_max_tokens and self.max_tokens is not None else self.vocabulary_size()

    def _unknown(self, token: Any) -> int:
        if self.num_oov_indices == 0:
            raise ValueError(
                f"{type(self).__name__}: {token!r} is not in the vocabulary, and num_oov_indices=0 leaves no index "
                f"for unknown tokens."
            )
        if self.num_oov_indices == 1:
            return self._oov_start()
        return self._oov_start() + self._hash(token) % self.num_oov_indices

    def _hash(self, token: Any) -> int:
        raise NotImplementedError

    def _numbers(self, tokens: Sequence[Any]) -> list[int]:
        """The index of each token; -1 for a mask that has no index."""
        masked = 0 if self.output_mode == "int" else -1
        found = []
        for token in map(self._token, tokens):
            place = self._places.get(token)
            if place is None:
                place = masked if self.mask_token is not None and token == self.mask_token else self._unknown(token)
            found.append(place)
        return found

    def call(self, inputs: Any) -> Any:
        if not self._tokens:
            raise ValueError(f"{type(self).__name__}: has no vocabulary yet; give one, or call adapt(data) first.")
        values = _array(inputs)
        if self.invert:
            words = self.get_vocabulary()
            flat = [words[i] if 0 <= i < len(words) else self.oov_token for i in values.reshape(-1).tolist()]
            return self._words(np.array(flat, dtype=object if isinstance(self.oov_token, str) else None), values.shape)
        indices = np.array(self._numbers(values.reshape(-1).tolist()), "int64").reshape(values.shape)
        return self._encoded(indices)

    def _words(self, flat: np.ndarray, shape: tuple[int, ...]) -> Any:
        raise NotImplementedError

    def _encoded(self, indices: np.ndarray) -> Any:
        tensor = chainrule.asarray(indices)
        if self.output_mode == "int":
            return tensor
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        codes = encode(tensor, self._depth(), mode, floatx() if self.output_mode == "tf_idf" else self.dtype)
        return codes if self._idf is None else codes * chainrule.asarray(self._idf)

    def compute_output_spec(self, inputs: Any) -> Any:
        return KerasTensor(self.compute_output_shape(inputs.shape), self.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return encoded_shape(tuple(input_shape), self._depth(), self.output_mode)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; a learned vocabulary is among them, so that files hold it."""
        start = self._token_start()
        learned_idf = None if self._idf is None else self._idf[start : start + len(self._tokens)].tolist()
        return {
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "mask_token": self.mask_token,
            "oov_token": self.oov_token,
            "vocabulary": list(self._tokens) or None,
            "idf_weights": learned_idf,
            "invert": self.invert,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "name": self.name,
        }


@registry.add
class StringLookup(_Vocabulary):
    """Numbers strings by a vocabulary that is given, or learned by :meth:`adapt`.

    Args:
        max_tokens: the most indices, special ones included.
        num_oov_indices: indices for unknown strings; with several a hash chooses, with 0 they are an error.
        mask_token: a string with index 0.
        oov_token: what :meth:`get_vocabulary` and ``invert`` show for unknown strings.
        vocabulary: the strings, or the path of a file with one a line.
        idf_weights: inverse document frequencies, for ``output_mode="tf_idf"``.
        invert: numbers to strings.
        output_mode: ``"int"``; or one code per string (``"one_hot"``) or per row (``"multi_hot"``, ``"count"``,
            ``"tf_idf"``).

    Example::

        layer = keras.layers.StringLookup(vocabulary=["a", "b"])
        layer([["b", "z"]])  # [[2, 0]]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        for saved in ("vocabulary_dtype", "oov_method"):
            kwargs.pop(saved, None)
        self.encoding, self.salt = encoding, None if salt is None else checked_salt("StringLookup", salt)
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode, sparse,
            pad_to_max_tokens, name, **kwargs,
        )  # fmt: skip

    def _token(self, value: Any) -> str:
        return value.decode(self.encoding) if isinstance(value, bytes) else str(value)

    def _hash(self, token: str) -> int:
        text = token.encode(self.encoding)
        return fingerprint64(text) if self.salt is None else siphash(text, (self.salt[0], self.salt[1]))

    def _words(self, flat: np.ndarray, shape: tuple[int, ...]) -> Any:
        words: Any = flat.reshape(shape)
        return words

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "encoding": self.encoding, "salt": self.salt}


@registry.add
class IntegerLookup(_Vocabulary):
    """Numbers integers by a vocabulary that is given, or learned by :meth:`adapt`; see :class:`StringLookup`."""

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if oov_method not in ("floormod", "farmhash"):
            raise ValueError(f"IntegerLookup: oov_method must be 'floormod' or 'farmhash', got {oov_method!r}.")
        if salt is not None and oov_method != "farmhash":
            raise ValueError(f"IntegerLookup: a salt needs oov_method='farmhash', got {oov_method!r}.")
        self.oov_method, self.salt = oov_method, None if salt is None else checked_salt("IntegerLookup", salt)
        if vocabulary_dtype not in ("int64", "int32"):
            raise ValueError(f"IntegerLookup: vocabulary_dtype must be 'int64' or 'int32', got {vocabulary_dtype!r}.")
        self.vocabulary_dtype = vocabulary_dtype
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode, sparse,
            pad_to_max_tokens, name, **kwargs,
        )  # fmt: skip

    def _token(self, value: Any) -> int:
        return int(value)

    def _hash(self, token: int) -> int:
        if self.oov_method == "floormod":
            return token
        text = str(token).encode()
        return fingerprint64(text) if self.salt is None else siphash(text, (self.salt[0], self.salt[1]))

    def _words(self, flat: np.ndarray, shape: tuple[int, ...]) -> Any:
        return chainrule.asarray(flat.astype(self.vocabulary_dtype).reshape(shape))

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("vocabulary_dtype", "oov_method", "salt")}
        return {**super().get_config(), **own}


_PUNCTUATION = re.compile(r"[!\"#$%&()\*\+,\-\./:;<=>?@\[\\\]^_`{|}~']")


@registry.add
class TextVectorization(Layer):
    """Texts to numbers of words: standardised, split, joined to n-grams, numbered by a vocabulary.

    Args:
        max_tokens: the most indices, those of padding (0) and unknown words (1) included.
        standardize: ``"lower_and_strip_punctuation"``, ``"lower"``, ``"strip_punctuation"``, None, or a function of an
            array of strings (so of ``numpy.char``).
        split: ``"whitespace"``, ``"character"``, None, or a function of an array of strings that gives a list of
            tokens for each.
        ngrams: None, the longest n-gram, or a tuple of lengths.
        output_mode: ``"int"``, ``"multi_hot"``, ``"count"`` or ``"tf_idf"``.
        output_sequence_length: the length that rows of ``"int"`` are cut or padded to; by default the longest row's.
        vocabulary, idf_weights: in place of :meth:`adapt`.

    Example::

        layer = keras.layers.TextVectorization(output_sequence_length=4)
        layer.adapt(["the cat sat", "the dog"])
        layer(["the bird sat"])  # [[2, 1, 3, 0]]
    """

    _keeps_integers = True

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: str | Callable[[Any], Any] | None = "lower_and_strip_punctuation",
        split: str | Callable[[Any], Any] | None = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        for saved in ("vocabulary_size", "has_input_vocabulary", "trainable", "dtype"):
            kwargs.pop(saved, None)
        output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
        known: tuple[Any, ...] = (None, "lower_and_strip_punctuation", "lower", "strip_punctuation")
        if standardize not in known and not callable(standardize):
            raise ValueError(
                f"TextVectorization: standardize must be one of {known} or a function, got {standardize!r}."
            )
        if split not in (None, "whitespace", "character") and not callable(split):
            raise ValueError(
                f"TextVectorization: split must be 'whitespace', 'character', a function or None, got {split!r}."
            )
        tuples = isinstance(ngrams, (tuple, list)) and all(isinstance(n, int) for n in ngrams)
        if not (ngrams is None or isinstance(ngrams, int) or tuples):
            raise ValueError(f"TextVectorization: ngrams must be an integer, a tuple of them or None, got {ngrams!r}.")
        length_fits = output_sequence_length is None or (
            isinstance(output_sequence_length, int) and output_mode == "int"
        )
        if not length_fits:
            raise ValueError(
                f"TextVectorization: output_sequence_length must be an integer, and goes with output_mode='int'; got "
                f"{output_sequence_length!r} and {output_mode!r}."
            )
        if ragged:
            raise ValueError("TextVectorization: ragged outputs are not supported; rows are padded with 0.")
        super().__init__(name=name, dtype="int64" if output_mode == "int" else None, **kwargs)
        self._standardize, self._split, self._ngrams_arg = standardize, split, ngrams
        self._ngrams = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else ngrams and tuple(ngrams)
        self._output_sequence_length, self._encoding = output_sequence_length, encoding
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens, vocabulary=vocabulary, idf_weights=idf_weights, mask_token="",
            output_mode=output_mode, pad_to_max_tokens=pad_to_max_tokens, sparse=sparse, encoding=encoding,
        )  # fmt: skip
        self._build_at_init()

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Learns the vocabulary from texts, or from (the first ``steps``) batches of them."""
        lookup = self._lookup_layer
        if lookup._has_input_vocabulary:
            raise ValueError("TextVectorization: a vocabulary was given; adapt() has nothing to learn.")
        self.reset_state()
        for i, batch in enumerate(batches(data)):
            if steps is not None and i >= steps:
                break
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Counts the words of more texts."""
        self._lookup_layer._count(self._token_rows(data)[0])

    def finalize_state(self) -> None:
        """Makes the vocabulary of the counts."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Forgets the counts."""
        self._lookup_layer.reset_state()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words in the order of their indices; 0 is padding, 1 unknown words."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """The number of indices, special ones included."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the words; see :meth:`StringLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def _split_texts(self, texts: np.ndarray) -> list[list[str]]:
        """The tokens of each text of a vector."""
        if callable(self._standardize):
            texts = _array(self._standardize(texts))
        elif self._standardize is not None:
            cleaned = texts.tolist()
            if self._standardize != "strip_punctuation":
                cleaned = [text.lower() for text in cleaned]
            if self._standardize != "lower":
                cleaned = [_PUNCTUATION.sub("", text) for text in cleaned]
            texts = np.array(cleaned, dtype=object)
        if callable(self._split):
            rows = [[str(token) for token in row] for row in self._split(texts)]
        elif self._split == "whitespace":
            rows = [text.split() for text in texts.tolist()]
        else:
            rows = [list(text) if self._split == "character" else [text] for text in texts.tolist()]
        if self._ngrams:
            return [[" ".join(row[i : i + n]) for n in self._ngrams for i in range(len(row) - n + 1)] for row in rows]
        return rows

    def _token_rows(self, inputs: Any) -> tuple[list[list[str]], bool]:
        """(the tokens of each text, whether a single text was given)."""
        values = _array(inputs).astype(str)
        if self._split is None and values.ndim == 2 and values.shape[1] > 1:
            cells = self._split_texts(values.reshape(-1))
            width = values.shape[1]
            return [sum(cells[i : i + width], []) for i in range(0, len(cells), width)], False
        if values.ndim > 2 or (values.ndim == 2 and values.shape[1] != 1):
            raise ValueError(
                f"TextVectorization: texts to be split need shape (batch,) or (batch, 1), got {values.shape}."
            )
        return self._split_texts(values.reshape(-1)), values.ndim == 0

    def _convert(self, x: Any) -> Any:
        return x  # strings have no tensors

    def _ensure_built(self, args: tuple[Any, ...]) -> None:
        pass

    def call(self, inputs: Any) -> Any:
        lookup = self._lookup_layer
        if not lookup._tokens:
            raise ValueError("TextVectorization: has no vocabulary yet; give one, or call adapt(texts) first.")
        rows, single = self._token_rows(inputs)
        length = self._output_sequence_length
        if length is None:
            length = max((len(row) for row in rows), default=0)
        padding = 0 if lookup.output_mode == "int" else -1
        indices = np.full((len(rows), length), padding, "int64")
        for row, tokens in zip(indices, rows, strict=True):
            kept = tokens[:length]
            row[: len(kept)] = lookup._numbers(kept)
        return lookup._encoded(indices[0] if single else indices)

    def compute_output_spec(self, inputs: Any) -> Any:
        return KerasTensor(self.compute_output_shape(inputs.shape), self.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        mode = self._lookup_layer.output_mode
        return (input_shape[0], self._output_sequence_length if mode == "int" else self._lookup_layer._depth())

    def get_config(self) -> dict[str, Any]:
        inner = self._lookup_layer.get_config()
        kept = ("max_tokens", "output_mode", "pad_to_max_tokens", "vocabulary", "idf_weights", "sparse")
        return {
            **{key: inner[key] for key in kept},
            "standardize": self._standardize,
            "split": self._split,
            "ngrams": self._ngrams_arg,
            "output_sequence_length": self._output_sequence_length,
            "ragged": False,
            "encoding": self._encoding,
            "name": self.name,
        }
