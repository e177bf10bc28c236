#include "bind/interop.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bind/convert.h"
#include "bind/operators.h"
#include "bind/tensor_type.h"
#include "ops/functions.h"

namespace chainrule {

Object shape_to_tuple(const Shape& shape, std::int64_t scale) {
  Object tuple = Object::steal(PyTuple_New(shape.ndim));
  for (int i = 0; i < shape.ndim; ++i) {
    PyObject* length = PyLong_FromLongLong(shape[i] * scale);
    if (!length) throw PythonError();
    PyTuple_SET_ITEM(tuple.get(), i, length);
  }
  return tuple;
}

// ---- buffer protocol
// ---------------------------------------------------------------------------------------------------

namespace {

// Lives as long as the view: the arrays it points to, and the memory itself.
struct Exported {
  Tensor tensor;
  Py_ssize_t shape[kMaxDims], strides[kMaxDims];
  char format[2];
};

bool is_fortran_contiguous(const Tensor& x) {
  std::int64_t step = 1;
  for (int i = 0; i < x.ndim(); ++i) {
    if (x.length(i) == 0) return true;
    if (x.length(i) != 1 && x.strides()[i] != step) return false;
    step *= x.length(i);
  }
  return true;
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) noexcept {
  view->obj = nullptr;
  return guarded_status([=] {
    const Tensor& x = handle_of(self);
    require_values(x, "buffer");
    if (x.dtype() == DType::BF16)
      raise(PyExc_BufferError, "buffers know no bfloat16; take x.astype('float32') or the bits with x.view('uint16')");
    const auto wants = [flags](int flag) { return (flags & flag) == flag; };
    if (wants(PyBUF_WRITABLE) && !is_writable(x)) raise(PyExc_BufferError, "the tensor's memory is read-only");
    const bool c = x.is_contiguous(), fortran = is_fortran_contiguous(x);
    if ((wants(PyBUF_C_CONTIGUOUS) && !c) || (wants(PyBUF_F_CONTIGUOUS) && !fortran) ||
        (wants(PyBUF_ANY_CONTIGUOUS) && !c && !fortran) || (!wants(PyBUF_STRIDES) && !c))
      raise(PyExc_BufferError, "the tensor is not contiguous in memory; take a copy of it first");
    auto exported = std::make_unique<Exported>();
    exported->tensor = x;
    const auto size = static_cast<Py_ssize_t>(itemsize(x.dtype()));
    for (int i = 0; i < x.ndim(); ++i) {
      exported->shape[i] = x.length(i);
      exported->strides[i] = x.strides()[i] * size;
    }
    exported->format[0] = buffer_format(x.dtype());
    exported->format[1] = '\0';
    view->buf = x.data();
    view->len = x.size() * size;
    view->readonly = !is_writable(x);
    view->itemsize = size;
    view->format = wants(PyBUF_FORMAT) ? exported->format : nullptr;
    view->ndim = x.ndim();
    view->shape = wants(PyBUF_ND) ? exported->shape : nullptr;
    view->strides = wants(PyBUF_STRIDES) ? exported->strides : nullptr;
    view->suboffsets = nullptr;
    view->internal = exported.release();
    view->obj = Py_NewRef(self);
    return 0;
  });
}

void release_buffer(PyObject*, Py_buffer* view) noexcept { delete static_cast<Exported*>(view->internal); }

}  // namespace

PyBufferProcs tensor_buffer_procs = {get_buffer, release_buffer};

PyObject* tensor_array_interface(PyObject* self, void*) {
  return guarded([=]() -> PyObject* {
    const Tensor& x = handle_of(self);
    require_values(x, "__array_interface__");
    if (x.dtype() == DType::BF16)  // NumPy goes on to __array__
      raise(PyExc_AttributeError, "NumPy knows no bfloat16");
    const char kind = is_bool(x.dtype()) ? 'b' : is_float(x.dtype()) ? 'f' : is_signed_integer(x.dtype()) ? 'i' : 'u';
    const auto size = static_cast<std::int64_t>(itemsize(x.dtype()));
    const std::string type = message(size == 1 ? '|' : '<', kind, size);
    const Object shape = shape_to_tuple(x.shape()), strides = shape_to_tuple(x.strides(), size);
    const Object address = Object::steal(PyLong_FromVoidPtr(x.data()));
    return Py_BuildValue("{s:i,s:s,s:(OO),s:O,s:O}", "version", 3, "typestr", type.c_str(), "data", address.get(),
                         is_writable(x) ? Py_False : Py_True, "shape", shape.get(), "strides",
                         x.is_contiguous() ? Py_None : strides.get());
  });
}

// ---- DLPack (version 1 of the protocol, and the older one without a version)
// ----------------------------------------------

namespace {

struct DLDevice {
  std::int32_t type, id;
};
struct DLDataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  std::uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  std::uint64_t flags;
  DLTensor tensor;
};
constexpr std::int32_t kCpu = 1;
constexpr std::uint64_t kReadOnly = 1, kCopied = 2;
constexpr std::uint8_t kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kBoolCode = 6;
constexpr char kName[] = "dltensor", kVersionedName[] = "dltensor_versioned";
constexpr char kUsedName[] = "used_dltensor", kUsedVersionedName[] = "used_dltensor_versioned";

template <class Managed>
struct Given {  // what a consumer holds
  Managed managed;
  Tensor tensor;
  std::int64_t shape[kMaxDims], strides[kMaxDims];
};

template <class Managed>
void delete_given(Managed* managed) {
  delete static_cast<Given<Managed>*>(managed->context);
}

template <class Managed>
void delete_capsule(PyObject* capsule) {
  const char* name = std::is_same_v<Managed, DLManagedTensor> ? kName : kVersionedName;
  if (!PyCapsule_IsValid(capsule, name)) return;  // a consumer took it
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (managed && managed->deleter) managed->deleter(managed);
}

std::uint8_t type_code(DType dtype) {
  if (dtype == DType::BF16) return kBfloat;
  return is_bool(dtype) ? kBoolCode : is_float(dtype) ? kFloat : is_signed_integer(dtype) ? kInt : kUInt;
}

template <class Managed>
PyObject* give(const Tensor& x, std::uint64_t flags) {
  auto given = std::make_unique<Given<Managed>>();
  given->tensor = x;
  for (int i = 0; i < x.ndim(); ++i) {
    given->shape[i] = x.length(i);
    given->strides[i] = x.strides()[i];
  }
  DLTensor& t = given->managed.tensor;
  t.data = x.data();
  t.device = {kCpu, 0};
  t.ndim = x.ndim();
  t.dtype = {type_code(x.dtype()), static_cast<std::uint8_t>(itemsize(x.dtype()) * 8), 1};
  t.shape = given->shape;
  t.strides = given->strides;
  t.byte_offset = 0;
  given->managed.context = given.get();
  given->managed.deleter = delete_given<Managed>;
  const char* name = kName;
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    given->managed.major = 1;
    given->managed.minor = 0;
    given->managed.flags = flags;
    name = kVersionedName;
  }
  PyObject* capsule = PyCapsule_New(&given->managed, name, delete_capsule<Managed>);
  if (!capsule) throw PythonError();
  given.release();
  return capsule;
}

bool dtype_of(const DLDataType& type, DType& out) {
  for (int i = 0; i < kDTypes; ++i) {
    out = static_cast<DType>(i);
    if (type.lanes == 1 && type.code == type_code(out) && type.bits == itemsize(out) * 8) return true;
  }
  return false;
}

template <class Managed>
Tensor take(PyObject* capsule, const char* name, const char* used_name, bool writable) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (!managed) throw PythonError();
  const DLTensor& t = managed->tensor;
  if (t.device.type != kCpu) raise(PyExc_BufferError, "from_dlpack: only memory of the CPU can be shared");
  DType dtype;
  if (!dtype_of(t.dtype, dtype))
    throw DTypeError(message("[from_dlpack] elements of DLPack type ", int{t.dtype.code}, " with ", int{t.dtype.bits},
                             " bits are not supported"));
  Shape shape(t.shape, t.shape + t.ndim);
  Strides strides = t.strides ? Strides(t.strides, t.strides + t.ndim) : contiguous_strides(shape);
  Tensor tensor = Tensor::foreign(dtype, shape, strides, static_cast<char*>(t.data) + t.byte_offset, writable, managed,
                                  [](void* owner) {
                                    auto* held = static_cast<Managed*>(owner);
                                    if (!held->deleter || !Py_IsInitialized()) return;
                                    const PyGILState_STATE state = PyGILState_Ensure();
                                    held->deleter(held);
                                    PyGILState_Release(state);
                                  });
  PyCapsule_SetName(capsule, used_name);
  return tensor;
}

}  // namespace

PyObject* tensor_dlpack_device(PyObject*, PyObject*) { return Py_BuildValue("(ii)", int{kCpu}, 0); }

PyObject* tensor_dlpack(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    if (count > 0) raise(PyExc_TypeError, "__dlpack__() takes keyword arguments only");
    PyObject *max_version = Py_None, *device = Py_None, *copy = Py_None;
    for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); ++i) {
      const std::string name = utf8(PyTuple_GET_ITEM(keywords, i));
      PyObject* value = arguments[i];
      if (name == "stream") {
        if (value != Py_None)
          raise(PyExc_ValueError, "__dlpack__: a tensor in CPU memory has no stream; pass stream=None");
      } else if (name == "max_version") {
        max_version = value;
      } else if (name == "dl_device") {
        device = value;
      } else if (name == "copy") {
        copy = value;
      } else {
        raise_format(PyExc_TypeError, "__dlpack__() got an unexpected keyword argument '%s'", name.c_str());
      }
    }
    Tensor x = handle_of(self);
    require_values(x, "__dlpack__");
    if (device != Py_None) {
      int type, id;
      if (!PyArg_ParseTuple(device, "ii", &type, &id)) throw PythonError();
      if (type != kCpu) raise(PyExc_BufferError, "__dlpack__: the tensor is in CPU memory; dl_device must be (1, 0)");
    }
    std::uint64_t flags = 0;
    if (copy == Py_True) {
      x = as_array(self, Py_None, Copy::always);
      flags |= kCopied;
    }
    const bool readonly = !is_writable(x);
    if (readonly) flags |= kReadOnly;
    int major = 0, minor = 0;
    if (max_version != Py_None && !PyArg_ParseTuple(max_version, "ii", &major, &minor)) throw PythonError();
    if (major >= 1) return give<DLManagedTensorVersioned>(x, flags);
    if (readonly)
      raise(PyExc_BufferError, "__dlpack__: a read-only tensor can only be given to a consumer of DLPack 1.0 or newer");
    return give<DLManagedTensor>(x, flags);
  });
}

Tensor from_dlpack(PyObject* object, PyObject* copy) {
  const Object method = Object::steal(PyObject_GetAttrString(object, "__dlpack__"));
  const Object none = Object::steal(PyTuple_New(0));
  const Object keywords = Object::steal(Py_BuildValue("{s:(ii),s:O}", "max_version", 1, 0, "copy", copy));
  PyObject* answer = PyObject_Call(method.get(), none.get(), keywords.get());
  if (!answer && PyErr_ExceptionMatches(PyExc_TypeError)) {  // a producer from before version 1
    PyErr_Clear();
    answer = PyObject_CallNoArgs(method.get());
  }
  const Object capsule = Object::steal(answer);
  if (PyCapsule_IsValid(capsule.get(), kVersionedName)) {
    const auto* managed = static_cast<DLManagedTensorVersioned*>(PyCapsule_GetPointer(capsule.get(), kVersionedName));
    if (managed->major > 1)
      raise(PyExc_BufferError, "from_dlpack: the producer speaks a newer version of DLPack than 1");
    return take<DLManagedTensorVersioned>(capsule.get(), kVersionedName, kUsedVersionedName,
                                          (managed->flags & kReadOnly) == 0);
  }
  Tensor tensor = take<DLManagedTensor>(capsule.get(), kName, kUsedName, true);
  if (copy == Py_True) {
    static const Op* const op = find_op("copy");
    return apply(*op, &tensor, 1, {});
  }
  return tensor;
}

}  // namespace chainrule
