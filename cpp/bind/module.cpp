// The extension module chainrule._core: the Tensor type, the ops, and functions that are called seldom (by pybind11).
#include "bind/module.h"

#include <pybind11/stl.h>

#include <map>
#include <string>
#include <vector>

#include "bind/convert.h"
#include "bind/create.h"
#include "bind/face_function.h"
#include "bind/flat.h"
#include "bind/interop.h"
#include "bind/jitted.h"
#include "bind/op_functions.h"
#include "bind/subscript.h"
#include "bind/tensor_type.h"
#include "bind/ufunc_protocol.h"
#include "ops/functions.h"
#include "ops/op.h"
#include "runtime/cpu.h"
#include "runtime/dot_unit.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace py = pybind11;

// By this symbol threadpoolctl tells our library from others of the same file name (python/chainrule/threadpool.py).
extern "C" __attribute__((visibility("default"))) int chainrule_threads() { return chainrule::num_threads(); }

namespace chainrule {

namespace {

// Runs a body that may throw our exceptions or PythonError, for pybind11.
template <class Body>
py::object run(Body&& body) {
  PyObject* result = guarded(std::forward<Body>(body));
  if (!result) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

void bind_arrays(py::module_& m) {
  if (PyModule_AddFunctions(m.ptr(), create_functions) != 0) throw py::error_already_set();
  m.def(
      "from_dlpack",
      [](const py::object& object, const py::object& device, const py::object& copy) {
        return run([&] {
          if (!device.is_none() && !py::str("cpu").equal(device))
            raise(PyExc_ValueError, "from_dlpack: 'cpu' is the only device");
          return wrap(from_dlpack(object.ptr(), copy.ptr()));
        });
      },
      py::arg("object"), py::kw_only(), py::arg("device") = py::none(), py::arg("copy") = py::none(),
      "The tensor on the memory of an object with __dlpack__.");
  m.def(
      "nonzero",
      [](const py::object& x) { return run([&] { return wrap_all(nonzero(to_tensor(x.ptr(), "nonzero"))); }); },
      py::arg("x"), "Indices of the non-zero elements, one int64 tensor for each axis.");
}

void bind_ops(py::module_& m) {
  py::module_ ops = m.def_submodule("ops", "Every op, one callable each, made from the registry.");
  for (const Op* op : all_ops()) ops.attr(op->name) = py::reinterpret_borrow<py::object>(op_function(*op));
  m.def(
      "op_names",
      [] {
        std::vector<std::string> names;
        for (const Op* op : all_ops()) names.emplace_back(op->name);
        return names;
      },
      "Names of all ops.");
  m.def(
      "set_ufunc_protocol",
      [](const py::object& call, const py::object& attribute, const py::dict& own) {
        set_ufunc_protocol(call.ptr(), attribute.ptr(), own.ptr());
      },
      py::arg("call"), py::arg("attribute"), py::arg("own"),
      "Who handles what calls of elementwise ops hold beyond their operands.");
  m.def(
      "set_complex",
      [](const py::object& type, const py::object& function) { set_complex(type.ptr(), function.ptr()); },
      py::arg("type"), py::arg("function"),
      "The class of complex numbers that a gradient or a program follows, and function(name, *operands) on them.");
  m.def(
      "set_decide", [](const py::object& decide) { set_decide(decide.ptr()); }, py::arg("decide"),
      "Who computes calls of a Function that are neither ours nor NumPy's alone: decide(function, args, kwargs, "
      "refused).");
  m.def(
      "op_info",
      [](const std::string& name) {
        return run([&] {
          const Op* op = find_op(name.c_str());
          if (!op) raise_format(PyExc_KeyError, "no op is named '%s'", name.c_str());
          return describe(*op).release();
        });
      },
      py::arg("name"), "An op's doc, signature and parameters as a dict.");
}

void bind_runtime(py::module_& m) {
  m.def(
      "start_runtime",
      [] {
        kernels();
        dot_cap();
        num_threads();
        memory_stats();
      },
      "Reads the settings of the environment and makes the thread pool and the allocator. Within their first use a "
      "fork "
      "by another thread could catch them half made, and its child would wait for ever.");
  m.def("num_threads", &num_threads, "How many threads an op may use.");
  m.def("set_num_threads", &set_num_threads, py::arg("n"), "Sets how many threads an op may use; n >= 1.");
  m.def("usable_cpus", &usable_cpus,
        "Processors this process may use: the least of affinity, cgroup quota and environment.");
  m.def(
      "memory_stats",
      [] {
        const MemoryStats s = memory_stats();
        return std::map<std::string, std::size_t>{{"in_use", s.in_use},
                                                  {"peak_in_use", s.peak_in_use},
                                                  {"cached", s.cached},
                                                  {"allocations", s.allocations},
                                                  {"system", s.system}};
      },
      "Bytes of tensor memory in use, at their peak and kept for reuse; counts of allocations.");
  m.def("reset_peak_memory", &reset_peak_memory, "Forgets the peak of memory_stats().");
  m.def("empty_cache", &empty_cache, "Returns memory kept for reuse to the system.");
  m.def("isa", [] { return std::string(kernels().isa); }, "The instruction-set level in use.");
  m.def(
      "set_isa", [](const std::string& name) { set_isa(name.c_str()); }, py::arg("name"),
      "Changes the instruction-set level (for tests).");
  m.def(
      "available_isas",
      [] {
        const char* names[8];
        const int count = available_isas(names, 8);
        return std::vector<std::string>(names, names + count);
      },
      "Instruction-set levels this processor can run, from the least to the best.");
  m.def(
      "dot_units",
      [] {
        const auto name = [](DotType type) {
          constexpr const char* names[] = {"none", "vectors", "tiles"};
          return std::string(names[static_cast<int>(dot_unit(type))]);
        };
        return std::map<std::string, std::string>{{"bfloat16", name(DotType::bfloat16)},
                                                  {"int8", name(DotType::signed_bytes)}};
      },
      "What products of bfloat16 and int8 run on: 'tiles' (AMX), 'vectors' (AVX-512 BF16, VNNI), 'none' (float32).");
  m.def("dot_cap", [] { return std::string(dot_cap()); }, "The best unit that may be used (CHAINRULE_DOT).");
  m.def(
      "set_dot_cap", [](const std::string& name) { set_dot_cap(name.c_str()); }, py::arg("name"),
      "Changes that cap (for tests): 'none', 'vectors' or 'tiles'.");
}

}  // namespace

}  // namespace chainrule

PYBIND11_MODULE(_core, m) {
  using namespace chainrule;
  m.doc() = "The compiled core of chainrule.";
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const py::builtin_exception&) {
      throw;
    } catch (const py::error_already_set&) {
      throw;
    } catch (...) {
      translate_exception();
    }
  });
  if (!prepare_tensor_type() || !prepare_op_type() || !prepare_jitted_type() || !prepare_function_type() ||
      !prepare_flat_type())
    throw py::error_already_set();
  m.attr("Tensor") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&tensor_type));
  m.attr("FlatElements") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&flat_type));
  m.attr("Function") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&function_type));
  m.attr("TraceError") = py::reinterpret_borrow<py::object>(trace_error_type());
  bind_arrays(m);
  bind_ops(m);
  bind_runtime(m);
  bind_transforms(m);
}
