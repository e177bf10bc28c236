"""Arrays that can't be written into, flags, and resizing in place: as NumPy's."""

import numpy
import pytest

import chainrule
import chainrule.numpy as np
from chainrule import jit

WRITES = {
    "an element": lambda x: x.__setitem__((0, 0), 1),
    "a row": lambda x: x.__setitem__(0, 1.0),
    "by a mask": lambda x: x.__setitem__(x == 0, 1.0),
    "an array": lambda x: x.__setitem__([0, 1], 1.0),
    "all": lambda x: x.__setitem__(..., numpy.ones((3, 4))),
    "in place": lambda x: x.__iadd__(1),
    "out": lambda x: np.add(x, 1, out=x),
    "out of a reduction": lambda x: np.sum(np.ones((2, 3, 4)), axis=0, out=x),
    "fill": lambda x: x.fill(1),
    "sort": lambda x: x.sort(),
    "partition": lambda x: x.partition(1),
    "put": lambda x: x.put([0], [1]),
    "copyto": lambda x: np.copyto(x, 1.0),
    "flat": lambda x: x.flat.__setitem__(0, 1.0),
    "all of flat": lambda x: setattr(x, "flat", 1.0),
    "fill_diagonal": lambda x: np.fill_diagonal(x, 1.0),
    "numpy.copyto": lambda x: numpy.copyto(x.numpy(), 1.0),
    "resize": lambda x: x.resize(3),
}
VIEWS = {
    "itself": lambda x: x,
    "view": lambda x: x.view(),
    "slice": lambda x: x[:, ::-1],
    "transpose": lambda x: x.T,
    "reshape": lambda x: x.reshape(4, 3),
    "of NumPy": lambda x: np.asarray(x.numpy()),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_writes_into_a_read_only_array(write, view):
    x = np.zeros((3, 4))
    x.flags.writeable = False
    with pytest.raises(ValueError):
        WRITES[write](VIEWS[view](x))
    assert not x.numpy().any()


def test_the_message_is_numpys():
    x = np.zeros(3)
    x.setflags(write=False)
    with pytest.raises(ValueError, match="assignment destination is read-only"):
        x[0] = 1


def test_copies_can_be_written_and_the_flag_can_be_set_again():
    x = np.zeros((3, 4))
    before = x.view()
    x.flags["WRITEABLE"] = False
    assert not x.flags.writeable
    assert not x.flags["W"]
    for copy in (x.copy(), x + 1, x.astype("float32"), np.array(x)):
        copy[0] = 1
    before[0] = 1  # a view made earlier keeps its own flag
    x.setflags(write=True)
    x[1] = 1
    assert x.numpy()[:2].all()


def test_a_view_of_a_read_only_array_stays_read_only():
    x = np.zeros(3)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="cannot set WRITEABLE flag to True"):
        x[1:].flags.writeable = True
    with pytest.raises(ValueError, match="WRITEBACKIFCOPY"):
        x.setflags(uic=True)


def test_arrays_made_of_read_only_memory():
    array = numpy.zeros(3)
    array.flags.writeable = False
    for x in (np.asarray(array), np.frombuffer(b"abc", "uint8"), np.broadcast_to(np.zeros(3), (2, 3))):
        assert not x.flags.writeable
        with pytest.raises(ValueError):
            x[0] = 1
    x = np.zeros(3)
    assert not np.broadcast_to(x, 3).flags.writeable
    assert x.flags.writeable
    assert np.array(array).flags.writeable


@pytest.mark.parametrize("make", [lambda m: m.zeros((2, 3)), lambda m: m.zeros((2, 3)).T, lambda m: m.zeros(4)[::2]])
def test_flags_are_numpys(make):
    ours, theirs = make(np).flags, make(numpy).flags
    for name in ("c_contiguous", "f_contiguous", "owndata", "writeable", "aligned", "fnc", "forc", "num"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("C_CONTIGUOUS", "F", "OWNDATA", "O", "W", "CA"):
        assert ours[name] == theirs[name], name
    assert repr(ours) == repr(theirs)
    assert ours == theirs
    with pytest.raises(AttributeError):
        ours.owndata = True
    with pytest.raises(KeyError):
        ours["nonsense"] = True


def test_results_of_numpys_functions_own_their_memory():
    assert np.arange(3).base is None
    assert np.arange(3).flags.owndata
    array = numpy.arange(3)
    assert np.asarray(array).base is array
    assert not np.asarray(array).flags.owndata


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (6,), (4, 4), (2,), (0,), (), (2, 0, 3)])
@pytest.mark.parametrize("order", "CF")
def test_resize(shape, order):
    results = []
    for module in (np, numpy):
        x = module.arange(6.0).reshape(2, 3).copy(order=order)
        x.resize(shape)
        results.append(numpy.asarray(x))
    numpy.testing.assert_array_equal(*results, strict=True)


def test_resize_in_all_its_spellings():
    x, array = np.arange(4), numpy.ones(3)
    x.resize(2, 3)
    x.resize()
    x.resize(None)
    assert x.tolist() == [[0, 1, 2], [3, 0, 0]]
    same = x
    with pytest.raises(ValueError, match="references"):
        x.resize(2)
    x.resize(2, refcheck=False)
    assert same.tolist() == [0, 1]
    with pytest.raises(ValueError, match="own its data"):
        same[:1].resize(3)
    with pytest.raises(ValueError, match="own its data"):
        np.asarray(array).resize(4)
    with pytest.raises(ValueError, match="non-negative"):
        x.resize(-1)


def test_resize_where_a_view_is_left():
    x = np.arange(4)
    view = x[1:]
    with pytest.raises(ValueError, match="references"):
        x.resize(8)
    assert view.tolist() == [1, 2, 3]


def test_no_resizing_of_what_is_followed():
    def resized(x):
        x.resize(1)
        return np.sum(x)

    with pytest.raises(Exception, match="watched|traced|place"):
        chainrule.grad(resized)(np.ones(3))
    with pytest.raises(chainrule.TraceError):
        jit(resized)(np.ones(3))


def test_flat_is_filled_again_and_again():
    for module in (np, numpy):
        x = module.zeros((2, 3))
        x.flat = [1, 2]
        assert x.tolist() == [[1, 2, 1], [2, 1, 2]]
        x.flat = 7
        assert x.tolist() == [[7] * 3] * 2
