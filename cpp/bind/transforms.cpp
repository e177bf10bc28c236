// Python's door to autograd, recording, programs and the fit loop; python/chainrule/transforms.py builds on it.
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>

#include "bind/convert.h"
#include "bind/jitted.h"
#include "bind/module.h"
#include "bind/python.h"
#include "bind/tensor_type.h"
#include "graph/fit_loop.h"
#include "graph/profile.h"
#include "graph/program.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "runtime/float_mode.h"

namespace py = pybind11;

namespace chainrule {

namespace {

// The tensors of a Python sequence; None gives an empty one where allowed.
std::vector<Tensor> tensors_of(const py::sequence& items, bool none_allowed = false) {
  std::vector<Tensor> result;
  result.reserve(items.size());
  for (const py::handle item : items) {
    if (none_allowed && item.is_none()) {
      result.emplace_back();
    } else {
      result.push_back(to_tensor(item.ptr(), "tensor"));
    }
  }
  return result;
}

py::object wrapped(const Tensor& tensor) {
  if (!tensor) return py::none();
  return py::reinterpret_steal<py::object>(wrap(tensor));
}

py::list wrapped(const std::vector<Tensor>& tensors) {
  py::list result;
  for (const Tensor& tensor : tensors) result.append(wrapped(tensor));
  return result;
}

// A custom step's backward: Python's function on the upstream cotangents (zeros where an output played no part).
GradientNode::Custom python_backward(py::function function, std::vector<Output> outputs) {
  // The node may be destroyed by a thread that doesn't hold the GIL.
  std::shared_ptr<py::function> held(new py::function(std::move(function)), [](py::function* f) {
    const py::gil_scoped_acquire gil;
    delete f;
  });
  return [held, outputs = std::move(outputs)](const Tensor* g, int n_outputs, Tensor* grads, int n_inputs) {
    const py::gil_scoped_acquire gil;
    py::list upstream;
    for (int k = 0; k < n_outputs; ++k) {
      const Output& spec = outputs[static_cast<std::size_t>(k)];
      upstream.append(wrapped(g[k] ? g[k] : Tensor::zeros(spec.dtype, spec.shape)));
    }
    const py::sequence result = (*held)(upstream);
    if (static_cast<int>(result.size()) != n_inputs)
      throw ValueError(message("custom_gradient: the gradient function returned ", result.size(), " gradients for ",
                               n_inputs, " arguments"));
    for (int i = 0; i < n_inputs; ++i)
      if (!py::object(result[static_cast<std::size_t>(i)]).is_none())
        grads[i] = to_tensor(py::object(result[static_cast<std::size_t>(i)]).ptr(), "custom_gradient");
  };
}

// Calls function(*placeholders) while a Trace is current; it returns a sequence of tensors.
std::shared_ptr<Program> record(const py::function& function,
                                const std::vector<std::pair<py::tuple, py::object>>& inputs) {
  Trace trace;
  py::list placeholders;
  for (const auto& [lengths, dtype] : inputs) {
    Shape shape;
    for (const py::handle length : lengths) shape.push_back(length.cast<std::int64_t>());
    placeholders.append(wrapped(trace.add_input(dtype_from_python(dtype.ptr()), shape)));
  }
  const py::object result = function(*placeholders);
  std::vector<Tensor> outputs;
  if (!result.is_none()) outputs = tensors_of(py::sequence(result));
  return std::make_shared<Program>(trace, std::move(outputs));
}

// Inputs as the program wants them: converted to its dtypes, made contiguous; the shape must be the recorded one.
Tensor program_input(const Output& spec, std::size_t position, py::handle value) {
  Tensor x = to_tensor(value.ptr(), "program");
  if (x.is_placeholder()) throw_traced_value("calling a recorded program");
  if (x.shape() != spec.shape || x.dtype() != spec.dtype)
    throw ShapeError(message("[program] input ", position, " was recorded as ", name(spec.dtype), to_string(spec.shape),
                             ", got ", name(x.dtype()), to_string(x.shape())));
  return contiguous(x);
}

py::object call_program(Program& program, const py::args& arguments) {
  if (static_cast<int>(arguments.size()) != program.n_inputs())
    throw ValueError(message("[program] takes ", program.n_inputs(), " inputs, got ", arguments.size()));
  std::vector<Tensor> inputs;
  inputs.reserve(arguments.size());
  for (std::size_t i = 0; i < arguments.size(); ++i)
    inputs.push_back(program_input(program.input_specs()[i], i, arguments[i]));
  std::vector<Tensor> results;
  {
    const py::gil_scoped_release unlocked;
    results = program.run(inputs.data());
  }
  return wrapped(results);
}

py::array_t<double> history_array(FitLoop& loop) {
  const auto metrics = static_cast<py::ssize_t>(loop.n_metrics());
  const auto epochs = metrics ? static_cast<py::ssize_t>(loop.history().size()) / metrics : 0;
  py::array_t<double> array({epochs, metrics});
  std::copy(loop.history().begin(), loop.history().end(), array.mutable_data());
  return array;
}

void bind_tape(py::module_& m) {
  m.def("push_recording", &push_recording, "Adds a level of gradient recording in this thread.");
  m.def("pop_recording", &pop_recording);
  m.def("suspend_recording", &suspend_recording, "Turns recording off; returns the depth for resume_recording.");
  m.def("resume_recording", &resume_recording);
  m.def("recording", &recording);
  m.def("watch", [](const py::object& x) { watch(to_tensor(x.ptr(), "watch")); });
  m.def("unwatch", [](const py::object& x) { unwatch(to_tensor(x.ptr(), "unwatch")); });
  m.def("has_node", [](const py::object& x) { return has_node(to_tensor(x.ptr(), "has_node")); });
  m.def(
      "detach", [](const py::object& x) { return wrapped(to_tensor(x.ptr(), "stop_gradient").alias()); },
      "Another head on the same memory, unknown to the gradient graph.");
  m.def(
      "leaf",
      [](const py::object& x) {
        // Another head on the same memory whose gradient can be asked for; linked to x's own graph if there is one.
        static const Op* const reshape = find_op("reshape");
        const Tensor source = to_tensor(x.ptr(), "grad");
        Tensor head = apply(*reshape, &source, 1, {Attr::of(source.shape())});
        watch(head);
        return wrapped(head);
      },
      "A new head on the memory of x that is a leaf of the gradient graph.");
  m.def(
      "backward",
      [](const py::sequence& outputs, const py::sequence& cotangents, const py::sequence& inputs) {
        return wrapped(backward(tensors_of(outputs), tensors_of(cotangents, true), tensors_of(inputs)));
      },
      py::arg("outputs"), py::arg("cotangents"), py::arg("inputs"));
  m.def("custom_step", [](const py::sequence& inputs, const py::sequence& outputs, py::function function) {
    const std::vector<Tensor> in = tensors_of(inputs);
    std::vector<Tensor> heads;
    std::vector<Output> specs;
    for (const Tensor& y : tensors_of(outputs)) {
      heads.push_back(y.alias());
      specs.push_back({y.dtype(), y.shape()});
    }
    bool any = false;
    for (const Tensor& x : in) any = any || has_node(x);
    if (recording() && any) record_custom(in, heads, python_backward(std::move(function), std::move(specs)));
    return wrapped(heads);
  });
}

void bind_programs(py::module_& m) {
  py::class_<Program, std::shared_ptr<Program>>(m, "Program", "A recorded function, replayed by calling it.")
      .def("__call__", &call_program)
      .def_property_readonly("instructions", &Program::n_steps)
      .def_property_readonly("arena_bytes", &Program::arena_bytes)
      .def("flush_subnormals", &Program::flush_subnormals, "From now on, takes subnormal numbers as zero.")
      .def("describe", &Program::describe);
  m.def(
      "flushing_subnormals",
      [](const py::function& function) {
        const FlushSubnormals flush;
        return function();
      },
      py::arg("function"), "function(), in which subnormal numbers are taken as zero.");
  m.def("record", &record, py::arg("function"), py::arg("inputs"),
        "Records function(*placeholders) for inputs given as (shape, dtype); it returns a sequence of tensors.");
  m.def(
      "jitted", [](const py::object& slow) { return py::reinterpret_steal<py::object>(make_jitted(slow.ptr())); },
      py::arg("slow"), "A callable that runs remembered programs; slow(callable, args, kwargs) answers other calls.");
  m.def(
      "remember_program",
      [](const py::object& jitted, const py::tuple& arguments, const py::object& program, const py::object& structure) {
        return remember_program(jitted.ptr(), arguments.ptr(), program.ptr(), structure.ptr());
      },
      py::arg("jitted"), py::arg("arguments"), py::arg("program"), py::arg("structure"),
      "Lets a callable of jitted() answer calls with arguments like these by a program; whether it can.");
  m.def("tracing", [] { return Trace::current() != nullptr; }, "Whether a program is being recorded in this thread.");

  py::class_<FitLoop>(m, "FitLoop", "Epochs of steps in one call.")
      .def(py::init([](std::shared_ptr<Program> full, std::shared_ptr<Program> last, const py::sequence& arrays,
                       std::int64_t batch_size, bool shuffle, std::uint64_t seed, const py::sequence& metrics) {
             FitLoop::Setup setup;
             setup.full = std::move(full);
             setup.last = std::move(last);
             setup.arrays = tensors_of(arrays);
             setup.batch_size = batch_size;
             setup.shuffle = shuffle;
             setup.seed = seed;
             setup.metrics = tensors_of(metrics);
             return std::make_unique<FitLoop>(std::move(setup));
           }),
           py::arg("full"), py::arg("last"), py::arg("arrays"), py::arg("batch_size"), py::arg("shuffle") = true,
           py::arg("seed") = 0, py::arg("metrics") = py::list())
      .def("run", &FitLoop::run, py::arg("epochs"), py::arg("max_steps") = -1, py::arg("seconds") = -1.0,
           py::call_guard<py::gil_scoped_release>())
      .def("reset", &FitLoop::reset, py::arg("epoch") = 0, py::arg("step") = 0)
      .def_property_readonly("epoch", &FitLoop::epoch)
      .def_property_readonly("step", &FitLoop::step)
      .def_property_readonly("steps_per_epoch", &FitLoop::steps_per_epoch)
      .def_property_readonly("history", &history_array)
      .def("take_history", [](FitLoop& loop) {
        py::array_t<double> array = history_array(loop);
        loop.history().clear();
        return array;
      });
}

py::tuple operands_to_python(const std::vector<Output>& operands) {
  py::list result;
  for (const Output& operand : operands) {
    py::list shape;
    for (const std::int64_t length : operand.shape) shape.append(length);
    result.append(py::make_tuple(name(operand.dtype), py::tuple(shape)));
  }
  return py::tuple(result);
}

void bind_profile(py::module_& m) {
  m.def("start_profile", &start_profile, "Starts measuring every op and step; RuntimeError if a measurement is on.");
  m.def(
      "stop_profile",
      [] {
        py::list rows;
        for (const ProfileRow& row : stop_profile())
          rows.append(py::make_tuple(row.op, row.layer, operands_to_python(row.inputs), operands_to_python(row.outputs),
                                     row.calls, row.seconds, row.bytes));
        return rows;
      },
      "Ends it: (op, layer, inputs, outputs, calls, seconds, bytes) for each op and operands, each a (dtype, shape).");
  m.def(
      "measure_peak", [](const py::object& dtype) { return measure_peak(dtype_from_python(dtype.ptr())); },
      "measure_peak(dtype): flops per second of multiply-adds on registers alone, on all threads; the best so far.");
  m.def(
      "set_layer",
      [](const std::string& name) {
        thread_state().layer = name.empty() ? nullptr : std::make_shared<const std::string>(name);
      },
      "set_layer(path): whose ops this thread calls from now on, for profiles; '' for none.");
}

}  // namespace

void bind_transforms(py::module_& m) {
  bind_tape(m);
  bind_programs(m);
  bind_profile(m);
}

}  // namespace chainrule
