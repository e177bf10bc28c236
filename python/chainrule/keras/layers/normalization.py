"""Normalisation: batch, layer, RMS, group, unit and spectral."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule
from chainrule import _core

from .. import constraints, initializers, ops, regularizers
from ..dtypes import result_type
from ..ops.normalization import axes_last, sorted_axes
from ..variables import as_float
from .base import Layer, registry
from .input_spec import InputSpec
from .wrappers import Wrapper

_op = _core.ops


class _Normalization(Layer):
    """What the layers share: an axis or several, and shapes that stay."""

    supports_masking = True
    axis: Any

    def compute_output_shape(self, input_shape: Any) -> Any:
        for axis in [self.axis] if isinstance(self.axis, int) else self.axis:
            if not -len(input_shape) <= axis < len(input_shape):
                raise ValueError(
                    f"Layer {self.name!r} ({type(self).__name__}): axis {axis} is out of bounds for an input of shape "
                    f"{tuple(input_shape)}."
                )
        return tuple(input_shape)

    def _lengths(self, input_shape: Any, axes: list[int]) -> tuple[int, ...]:
        self.compute_output_shape(input_shape)
        lengths = tuple(input_shape[axis] for axis in axes)
        if None in lengths:
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) needs to know the lengths of the axes {axes} of its "
                f"input; its shape is {tuple(input_shape)}."
            )
        return lengths


class _Affine(_Normalization):
    """Normalisation followed by a trained scale ``gamma`` and offset ``beta``."""

    def _set_affine(self, center: bool, scale: bool, options: dict[str, Any]) -> None:
        self.center, self.scale = center, scale
        self.beta_initializer = initializers.get(options["beta_initializer"])
        self.gamma_initializer = initializers.get(options["gamma_initializer"])
        self.beta_regularizer = regularizers.get(options["beta_regularizer"])
        self.gamma_regularizer = regularizers.get(options["gamma_regularizer"])
        self.beta_constraint = constraints.get(options["beta_constraint"])
        self.gamma_constraint = constraints.get(options["gamma_constraint"])
        self.gamma: Any = None
        self.beta: Any = None

    def _add_affine(self, shape: tuple[int, ...], scale: bool, center: bool) -> None:
        if scale:
            self.gamma = self.add_weight(
                shape,
                self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                name="gamma",
                autocast=False,
            )
        if center:
            self.beta = self.add_weight(
                shape,
                self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                name="beta",
                autocast=False,
            )

    def _values(self, dtype: Any) -> tuple[Any, Any]:
        """gamma and beta as tensors, or None."""
        gamma = None if self.gamma is None else as_float(self.gamma.value, dtype)
        return gamma, None if self.beta is None else as_float(self.beta.value, dtype)

    def _affine_config(self) -> dict[str, Any]:
        return {
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }


@registry.add
class BatchNormalization(_Affine):
    """Each channel by its mean and variance over the batch and all other axes (Ioffe, Szegedy 2015).

    In training the statistics are those of the batch, and the moving ones follow: ``moving = momentum * moving +
    (1 - momentum) * batch``. Otherwise, and while ``trainable`` is False, the moving statistics are used.

    Args:
        axis: the axis of the channels.
        momentum, epsilon: of the moving statistics; added to the variance.
        center, scale: whether there are beta and gamma.
        moving_mean_initializer, moving_variance_initializer: the statistics to start with.
        renorm, renorm_clipping, renorm_momentum: batch renormalisation (Ioffe 2017), with bounds ``rmin``, ``rmax`` and
            ``dmax``.
        synchronized: accepted; a process normalises its own batch.

    Masked steps don't count in the statistics.

    Example: ``Sequential([Conv2D(32, 3, use_bias=False), BatchNormalization(), ReLU()])``
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        options = dict(locals())
        super().__init__(**kwargs)
        self.axis, self.momentum, self.epsilon = int(axis), float(momentum), float(epsilon)
        self._set_affine(center, scale, options)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.synchronized = synchronized
        if renorm:
            renorm_clipping = dict(renorm_clipping or {})
            unknown = set(renorm_clipping) - {"rmax", "rmin", "dmax"}
            if unknown:
                raise ValueError(f"BatchNormalization: renorm_clipping takes rmax, rmin, dmax, got {sorted(unknown)}.")
        self.renorm, self.renorm_clipping, self.renorm_momentum = renorm, renorm_clipping, float(renorm_momentum)

    def build(self, input_shape: Any) -> None:
        shape = self._lengths(input_shape, [self.axis])
        self._add_affine(shape, self.scale, self.center)

        def moving(name: str, initializer: Any) -> Any:
            return self.add_weight(shape, initializer, trainable=False, autocast=False, name=name)

        self.moving_mean = moving("moving_mean", self.moving_mean_initializer)
        self.moving_variance = moving("moving_variance", self.moving_variance_initializer)
        if self.renorm:

            def deviation(shape: Any, dtype: Any = None) -> Any:
                return np.sqrt(np.asarray(self.moving_variance_initializer(shape, dtype=dtype)))

            self.moving_stddev = moving("moving_stddev", deviation)
            self.renorm_mean = moving("renorm_mean", self.moving_mean_initializer)
            self.renorm_stddev = moving("renorm_stddev", deviation)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: shape[0]})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return as_float(self._normalized(_whole(inputs), training, mask), self.compute_dtype)

    def _normalized(self, inputs: Any, training: bool | None, mask: Any) -> Any:
        if mask is not None and mask.ndim != inputs.ndim - 1:
            raise ValueError(
                f"Layer {self.name!r} (BatchNormalization): the mask must have one axis less than the inputs; mask of "
                f"shape {tuple(mask.shape)}, inputs of shape {tuple(inputs.shape)}."
            )
        if not training or not self.trainable:
            gamma, beta = self._values(inputs.dtype)
            mean, variance = self.moving_mean.value, self.moving_variance.value
            return ops.batch_normalization(inputs, mean, variance, self.axis, beta, gamma, self.epsilon)
        if mask is not None:
            return self._masked(inputs, mask)
        moved, back = axes_last(inputs, sorted_axes(self.axis, inputs.ndim))
        if self.renorm:
            y = self._renormalized(moved)
        else:
            y, mean, variance = _op.batch_norm(moved, *self._values(inputs.dtype), epsilon=self.epsilon)
            self._follow(mean, variance)
        return y if back is None else _op.transpose(y, back)

    def _masked(self, inputs: Any, mask: Any) -> Any:
        """By statistics of the steps that count."""
        axes = tuple(axis for axis in range(inputs.ndim) if axis != self.axis % inputs.ndim)
        counts = _op.broadcast_to(_op.expand_dims(_op.cast(mask, "bool"), -1), inputs.shape)
        zero = np.zeros((), inputs.dtype)
        total = _op.sum(_op.cast(counts, inputs.dtype), axis=axes, keepdims=True) + 1e-7
        mean = _op.sum(_op.where(counts, inputs, zero), axis=axes, keepdims=True) / total
        distance = _op.where(counts, inputs - mean, zero)
        variance = _op.sum(distance * distance, axis=axes, keepdims=True) / total
        mean, variance = (_op.reshape(s, (inputs.shape[self.axis],)) for s in (mean, variance))
        gamma, beta = self._values(inputs.dtype)
        if self.renorm:
            gamma, beta = self._corrected(mean, variance, gamma, beta)
            self._follow_renorm(mean, variance)
        else:
            self._follow(mean, variance)
        return ops.batch_normalization(inputs, mean, variance, self.axis, beta, gamma, self.epsilon)

    def _move(self, statistic: Any, value: Any, momentum: float) -> None:
        with chainrule.no_grad():
            statistic.assign(statistic.value * momentum + value * (1.0 - momentum))

    def _follow(self, mean: Any, variance: Any) -> None:
        self._move(self.moving_mean, mean, self.momentum)
        self._move(self.moving_variance, variance, self.momentum)

    # ---- batch renormalisation

    def _renormalized(self, x: Any) -> Any:
        y, mean, variance = _op.batch_norm(x, epsilon=self.epsilon)
        gamma, beta = self._corrected(mean, variance, *self._values(x.dtype))
        self._follow_renorm(mean, variance)
        return _op.scale_shift(y, gamma, beta)

    def _corrected(self, mean: Any, variance: Any, gamma: Any, beta: Any) -> tuple[Any, Any]:
        """gamma and beta that turn the batch's statistics into those of the moving ones, within the bounds."""
        with chainrule.no_grad():
            deviation = _op.maximum(self.renorm_stddev.value, float(np.sqrt(self.epsilon)))
            r = _op.sqrt(variance + self.epsilon) / deviation
            d = (mean - self.renorm_mean.value) / deviation
            bounds = self.renorm_clipping or {}
            if bounds.get("rmin") is not None:
                r = _op.maximum(r, bounds["rmin"])
            if bounds.get("rmax") is not None:
                r = _op.minimum(r, bounds["rmax"])
            if bounds.get("dmax") is not None:
                d = _op.minimum(_op.maximum(d, -bounds["dmax"]), bounds["dmax"])
        if gamma is not None:
            r, d = r * gamma, d * gamma
        return r, d if beta is None else d + beta

    def _follow_renorm(self, mean: Any, variance: Any) -> None:
        with chainrule.no_grad():
            deviation = _op.sqrt(variance + self.epsilon)
            self._move(self.renorm_mean, mean, self.renorm_momentum)
            self._move(self.renorm_stddev, deviation, self.renorm_momentum)
            self._move(self.moving_mean, mean, self.momentum)
            self._move(self.moving_stddev, deviation, self.momentum)
            moving = self.moving_stddev.value
            self.moving_variance.assign(_op.relu(moving * moving - self.epsilon))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            **self._affine_config(),
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "synchronized": self.synchronized,
            "renorm": self.renorm,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
        }


@registry.add
class LayerNormalization(_Affine):
    """Each sample by its mean and variance over ``axis``, one axis or several (Ba, Kiros, Hinton 2016).

    Args:
        axis: the axes that are normalised; gamma and beta have their lengths.
        epsilon: added to the variance.
        center, scale: whether there are beta and gamma.

    Example: ``LayerNormalization(epsilon=1e-6)(np.ones((32, 128, 256)))``
    """

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        options = dict(locals())
        self.rms_scaling = kwargs.pop("rms_scaling", False)
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(f"LayerNormalization: axis must be an integer or a list of integers, got {axis!r}.")
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.epsilon = epsilon
        self._set_affine(center, scale, options)

    def build(self, input_shape: Any) -> None:
        self.axis = [self.axis] if isinstance(self.axis, int) else sorted(self.axis)
        shape = self._lengths(input_shape, self.axis)
        self._add_affine(shape, self.scale or self.rms_scaling, self.center and not self.rms_scaling)

    def call(self, inputs: Any) -> Any:
        inputs = _whole(inputs)
        gamma, beta = self._values(inputs.dtype)
        options = {"rms_scaling": True} if self.rms_scaling else {}
        y = ops.layer_normalization(inputs, gamma, beta, self.axis, self.epsilon, **options)
        return as_float(y, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "rms_scaling": self.rms_scaling,
            **self._affine_config(),
        }


@registry.add
class RMSNormalization(_Normalization):
    """Each sample divided by the root of its mean square over ``axis`` (Zhang, Sennrich 2019), times a scale."""

    supports_masking = False  # as in Keras

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        self.axis = [self.axis] if isinstance(self.axis, int) else sorted(self.axis)
        self.scale = self.add_weight(self._lengths(input_shape, self.axis), "ones", name="scale")

    def call(self, x: Any) -> Any:
        return ops.rms_normalization(x, as_float(self.scale.value, x.dtype), self.axis, self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


@registry.add
class GroupNormalization(_Affine):
    """Each sample's groups of neighbouring channels by their own mean and variance (Wu, He 2018).

    Args:
        groups: how many; -1 makes every channel a group (instance normalisation).
        axis: the axis of the channels; ``groups`` must divide its length.
        epsilon, center, scale: as in LayerNormalization.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        options = dict(locals())
        if isinstance(groups, bool) or not isinstance(groups, int) or (groups <= 0 and groups != -1):
            raise ValueError(f"GroupNormalization: groups must be a positive integer or -1, got {groups!r}.")
        super().__init__(**kwargs)
        self.groups, self.axis, self.epsilon = groups, axis, epsilon
        self._set_affine(center, scale, options)

    def build(self, input_shape: Any) -> None:
        shape = self._lengths(input_shape, [self.axis])
        if self.groups == -1:
            self.groups = shape[0]
        if shape[0] % self.groups:
            raise ValueError(
                f"Layer {self.name!r} (GroupNormalization): {self.groups} groups don't divide the {shape[0]} channels "
                f"of an input of shape {tuple(input_shape)}."
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: shape[0]})
        self._add_affine(shape, self.scale, self.center)

    def call(self, inputs: Any) -> Any:
        inputs = _whole(inputs)
        moved, back = axes_last(inputs, sorted_axes(self.axis, inputs.ndim))
        gamma, beta = self._values(inputs.dtype)
        y = _op.group_norm(moved, gamma, beta, epsilon=float(self.epsilon), groups=self.groups)[0]
        y = as_float(y, self.compute_dtype)
        return y if back is None else _op.transpose(y, back)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "groups": self.groups,
            "axis": self.axis,
            "epsilon": self.epsilon,
            **self._affine_config(),
        }


@registry.add
class UnitNormalization(_Normalization):
    """Each sample divided by its Euclidean length over ``axis``, one axis or several."""

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(f"UnitNormalization: axis must be an integer or a list of integers, got {axis!r}.")
        self.axis = axis if isinstance(axis, int) else list(axis)
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


@registry.add
class SpectralNormalization(Wrapper):
    """Divides the kernel of ``layer`` by its greatest singular value at every training step (Miyato et al. 2018).

    Args:
        layer: a layer with a ``kernel`` or ``embeddings``.
        power_iterations: steps of the power method that finds the singular value, from where the last call left it.
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        if power_iterations <= 0:
            raise ValueError(f"SpectralNormalization: power_iterations must be positive, got {power_iterations}.")
        self.power_iterations = power_iterations

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})
        kernel = getattr(self.layer, "kernel", None)
        self.kernel: Any = kernel if kernel is not None else getattr(self.layer, "embeddings", None)
        if self.kernel is None:
            raise ValueError(f"{type(self.layer).__name__} has neither a 'kernel' nor 'embeddings' to normalise.")
        self.vector_u = self.add_weight(
            (1, self.kernel.shape[-1]),
            initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
            name="vector_u",
            dtype=self.kernel.dtype,
        )

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        if training:
            with chainrule.no_grad():
                self._normalize_kernel()
        return self.layer(inputs)

    def _normalize_kernel(self) -> None:
        kernel, u = self.kernel.stored, self.vector_u.stored
        rows = _op.reshape(kernel, (-1, kernel.shape[-1]))
        turned = _op.transpose(rows)
        # A kernel of zeros stays as it is, and so does u.
        some = _op.any(_op.not_equal(rows, np.zeros((), kernel.dtype)))
        found = u
        for _ in range(self.power_iterations):
            v = _unit(_op.matmul(found, turned))
            found = _unit(_op.matmul(v, rows))
        sigma = _op.matmul(_op.matmul(v, rows), _op.transpose(found))
        sigma = _op.where(some, _op.reshape(sigma, ()), np.ones((), kernel.dtype))
        self.vector_u.assign(_op.where(some, found, u))
        self.kernel.assign(kernel / sigma)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "power_iterations": self.power_iterations}


def _whole(x: Any) -> Any:
    """Inputs of a half type as float32, in which statistics are computed."""
    return as_float(x, result_type(x.dtype, "float32"))


def _unit(x: Any) -> Any:
    """x divided by its length."""
    return x * _op.minimum(_op.rsqrt(_op.sum(x * x)), 1e7)
