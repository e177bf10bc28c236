// Recurrent layers: the op `recurrent` computes a whole sequence, `recurrent_grad` all of its gradients.
#include "tensor/recurrent.h"

#include "ops/functions.h"
#include "ops/support.h"

namespace chainrule {
namespace {

// ---- the tensors of the two ops ------------------------------------------------------------------------------------

enum Input { kX, kKernel, kRecurrent, kBias, kH0, kC0, kMask, kInputs };
enum Result { kStates, kLastH, kLastC, kCells, kGates, kResults };
// recurrent_grad: the weights, the results of forward, its other inputs, then the gradients of its results.
enum GradInput { gX, gKernel, gRecurrent, gStates, gCells, gGates, gH0, gC0, gMask, gDStates, gDLastH, gDLastC };

struct Name {
  const char* name;
  Cell cell;
};
constexpr Name kNames[] = {{"simple_rnn", Cell::simple},
                           {"lstm", Cell::lstm},
                           {"gru", Cell::gru},
                           {"gru_reset_before", Cell::gru_reset_before}};

Cell cell_of(const Call& call) {
  for (const Name& known : kNames)
    if (call.attrs[0].text == known.name) return known.cell;
  throw ValueError(message("[", call.op.name, "] there is no cell '", call.attrs[0].text,
                           "'; it is one of 'simple_rnn', 'lstm', 'gru', 'gru_reset_before'"));
}

void check(const Call& call, const Tensor& x, const char* what, const Shape& wanted) {
  if (x && x.shape() != wanted)
    throw ShapeError(
        message("[", call.op.name, "] ", what, " must have shape ", to_string(wanted), ", got ", to_string(x.shape())));
}

Recurrence recurrence_of(const Call& call, const Tensor& x, const Tensor& kernel, const Tensor& recurrent) {
  if (x.ndim() != 3)
    throw ShapeError(
        message("[", call.op.name, "] x must have shape (batch, steps, features), got ", to_string(x.shape())));
  if (recurrent.ndim() != 2 || recurrent.length(0) < 1)
    throw ShapeError(message("[", call.op.name, "] the recurrent kernel must have shape (units, parts * units), got ",
                             to_string(recurrent.shape())));
  Recurrence r{};
  r.dtype = x.dtype();
  r.cell = cell_of(call);
  r.batch = x.length(0);
  r.steps = x.length(1);
  r.features = x.length(2);
  r.units = recurrent.length(0);
  r.backwards = call.attrs[1].truth();
  check(call, kernel, "the kernel", Shape{r.features, r.input_parts() * r.units});
  check(call, recurrent, "the recurrent kernel", Shape{r.units, r.input_parts() * r.units});
  return r;
}

bool prepare(const Call& call, std::vector<Tensor>& prepared, int mask) {
  DType dtype = call.in(0).dtype();
  for (int i = 1; i < call.n_inputs; ++i)
    if (call.has(i) && i != mask) dtype = promote(dtype, call.in(i).dtype());
  dtype = to_float(dtype);
  bool ready = true;
  const auto wanted = [&](int i) { return i == mask ? DType::Bool : dtype; };
  for (int i = 0; i < call.n_inputs; ++i)
    ready = ready && (!call.has(i) || (call.in(i).dtype() == wanted(i) && call.in(i).is_contiguous()));
  if (ready) return false;
  for (int i = 0; i < call.n_inputs; ++i) {
    const Tensor x = call.has(i) ? fn::cast(call.in(i), wanted(i)) : Tensor();
    prepared.push_back(!x || x.is_contiguous() ? x : call_op("copy", {x}));
  }
  return true;
}
bool prepare_forward(const Call& call, std::vector<Tensor>& prepared) { return prepare(call, prepared, kMask); }
bool prepare_grad(const Call& call, std::vector<Tensor>& prepared) { return prepare(call, prepared, gMask); }

Tensor given(const Call& call, int i) { return call.has(i) ? call.in(i) : Tensor(); }

// ---- forward -------------------------------------------------------------------------------------------------------

Recurrence forward_of(const Call& call) {
  const Recurrence r = recurrence_of(call, call.in(kX), call.in(kKernel), call.in(kRecurrent));
  check(call, given(call, kBias), "the bias", Shape{r.bias_parts() * r.units});
  check(call, given(call, kH0), "the initial state h", Shape{r.batch, r.units});
  check(call, given(call, kC0), "the initial state c", Shape{r.batch, r.units});
  check(call, given(call, kMask), "the mask", Shape{r.batch, r.steps});
  if (call.has(kC0) && r.cell != Cell::lstm)
    throw ValueError(message("[", call.op.name, "] only an lstm has a state c"));
  return r;
}

void infer_forward(const Call& call, std::vector<Output>& outputs) {
  const Recurrence r = forward_of(call);
  const bool lstm = r.cell == Cell::lstm;
  const Shape none{0};
  outputs.push_back({r.dtype, Shape{r.batch, r.steps, r.units}});
  outputs.push_back({r.dtype, Shape{r.batch, r.units}});
  outputs.push_back({r.dtype, lstm ? Shape{r.batch, r.units} : none});
  outputs.push_back({r.dtype, lstm ? Shape{r.batch, r.steps, r.units} : none});
  outputs.push_back({r.dtype, Shape{r.batch, r.steps, r.gate_parts() * r.units}});
}

struct RecurrentTask {
  Recurrence recurrence;
  int inputs;
  std::uint32_t has;  // bit i: input i is given
  std::uint32_t wanted;
  const void* in(void* const* ptr, int i) const { return has >> i & 1u ? ptr[i] : nullptr; }
  void* out(void* const* ptr, int i) const { return ptr[inputs + i]; }
};

RecurrentTask& make_task(const Call& call, const Recurrence& r, Task& task) {
  auto& t = task.params<RecurrentTask>();
  t.recurrence = r;
  t.inputs = call.n_inputs;
  t.has = t.wanted = 0;
  for (int i = 0; i < call.n_inputs; ++i) t.has |= call.has(i) ? 1u << i : 0u;
  return t;
}

void run_forward(const Task& task, void* const* ptr) {
  const auto& t = task.get<RecurrentTask>();
  RecurrentForward f{};
  f.x = t.in(ptr, kX);
  f.kernel = t.in(ptr, kKernel);
  f.recurrent = t.in(ptr, kRecurrent);
  f.bias = t.in(ptr, kBias);
  f.h0 = t.in(ptr, kH0);
  f.c0 = t.in(ptr, kC0);
  f.mask = static_cast<const std::uint8_t*>(t.in(ptr, kMask));
  f.states = t.out(ptr, kStates);
  f.last_h = t.out(ptr, kLastH);
  f.last_c = t.out(ptr, kLastC);
  f.cells = t.out(ptr, kCells);
  f.gates = t.out(ptr, kGates);
  recurrent_forward(t.recurrence, f);
}

void lower_forward(const Call& call, Task& task) {
  make_task(call, forward_of(call), task);
  task.run = run_forward;
}

// ---- backward ------------------------------------------------------------------------------------------------------

Recurrence backward_of(const Call& call) {
  const Recurrence r = recurrence_of(call, call.in(gX), call.in(gKernel), call.in(gRecurrent));
  const bool lstm = r.cell == Cell::lstm;
  const Shape row{r.batch, r.units}, all{r.batch, r.steps, r.units}, none{0};
  check(call, given(call, gH0), "h0", row);
  check(call, given(call, gC0), "c0", row);
  check(call, given(call, gMask), "the mask", Shape{r.batch, r.steps});
  check(call, call.in(gStates), "states", all);
  check(call, call.in(gCells), "cells", lstm ? all : none);
  check(call, call.in(gGates), "gates", Shape{r.batch, r.steps, r.gate_parts() * r.units});
  check(call, given(call, gDStates), "the gradient of the states", all);
  check(call, given(call, gDLastH), "the gradient of the last state h", row);
  check(call, given(call, gDLastC), "the gradient of the last state c", lstm ? row : none);
  return r;
}

std::uint32_t wanted(const Call& call) { return static_cast<std::uint32_t>(call.attrs[2].integer); }

void infer_grad(const Call& call, std::vector<Output>& outputs) {
  const Recurrence r = backward_of(call);
  const Shape shapes[] = {call.in(gX).shape(),         call.in(gKernel).shape(),
                          call.in(gRecurrent).shape(), Shape{r.bias_parts() * r.units},
                          Shape{r.batch, r.units},     Shape{r.batch, r.units}};
  for (int i = 0; i < kMask; ++i) {
    const bool asked = (wanted(call) >> i & 1u) != 0 && (i != kC0 || r.cell == Cell::lstm);
    outputs.push_back({r.dtype, asked ? shapes[i] : Shape{0}});
  }
  outputs.push_back({r.dtype, Shape{r.workspace()}});
}

void run_grad(const Task& task, void* const* ptr) {
  const auto& t = task.get<RecurrentTask>();
  const auto result = [&](int i) { return t.wanted >> i & 1u ? t.out(ptr, i) : nullptr; };
  RecurrentBackward b{};
  b.x = t.in(ptr, gX);
  b.kernel = t.in(ptr, gKernel);
  b.recurrent = t.in(ptr, gRecurrent);
  b.h0 = t.in(ptr, gH0);
  b.c0 = t.in(ptr, gC0);
  b.mask = static_cast<const std::uint8_t*>(t.in(ptr, gMask));
  b.states = t.in(ptr, gStates);
  b.cells = t.in(ptr, gCells);
  b.gates = t.in(ptr, gGates);
  b.dstates = t.in(ptr, gDStates);
  b.dlast_h = t.in(ptr, gDLastH);
  b.dlast_c = t.recurrence.cell == Cell::lstm ? t.in(ptr, gDLastC) : nullptr;
  b.dx = result(kX);
  b.dkernel = result(kKernel);
  b.drecurrent = result(kRecurrent);
  b.dbias = result(kBias);
  b.dh0 = result(kH0);
  b.dc0 = t.recurrence.cell == Cell::lstm ? result(kC0) : nullptr;
  b.workspace = t.out(ptr, kMask);
  recurrent_backward(t.recurrence, b);
}

void lower_grad(const Call& call, Task& task) {
  RecurrentTask& t = make_task(call, backward_of(call), task);
  t.wanted = wanted(call);
  task.run = run_grad;
}

void vjp_forward(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  if (g[kCells] || g[kGates])
    throw GradientError("[recurrent] `cells` and `gates` are kept for the gradient and have none of their own");
  std::int64_t bits = 0;
  for (int i = 0; i < std::min<int>(call.n_inputs, kMask); ++i)
    if (needs[i]) bits |= std::int64_t{1} << i;
  const Tensor inputs[] = {call.in(kX),        call.in(kKernel), call.in(kRecurrent), call.out(kStates),
                           call.out(kCells),   call.out(kGates), given(call, kH0),    given(call, kC0),
                           given(call, kMask), g[kStates],       g[kLastH],           g[kLastC]};
  const std::vector<Tensor> all =
      apply_all(*find_op("recurrent_grad"), inputs, 12, {call.attrs[0], call.attrs[1], Attr::of(bits)});
  for (int i = 0; i < std::min<int>(call.n_inputs, kMask); ++i)
    if (needs[i]) grads[i] = all[static_cast<std::size_t>(i)];
}

void vjp_grad(const Call&, const Tensor*, const bool*, Tensor*) {
  throw GradientError(
      "[recurrent_grad] this gradient of a recurrent layer was computed by the fused kernel, which has no derivative; "
      "for a gradient of it, call the layer inside both recordings (grad of grad, or two nested tapes)");
}

bool register_all() {
  const std::vector<AttrParam> attrs = {required_attr("cell", AttrKind::text),
                                        attr_with_default("go_backwards", AttrKind::boolean, Attr::of(false))};
  const auto optional = [](const char* name) { return TensorParam{name, TensorParam::optional}; };
  Op forward;
  forward.name = "recurrent";
  forward.doc =
      "A recurrent layer over x (batch, steps, features): `cell` is 'simple_rnn', 'lstm', 'gru' or 'gru_reset_before', "
      "weights as in Keras (gru: the bias holds the input's and the recurrent one). Steps where mask (batch, steps) is "
      "False leave the states as they are. Returns the states of all steps in the order of computation, the last h, "
      "the "
      "last c, and the cell states and gates of all steps, which the gradient reads.";
  forward.tensors = {{"x"},          {"kernel"},     {"recurrent_kernel"}, optional("bias"),
                     optional("h0"), optional("c0"), optional("mask")};
  forward.attrs = attrs;
  forward.prepare = prepare_forward;
  forward.infer = infer_forward;
  forward.lower = lower_forward;
  forward.vjp = vjp_forward;
  forward.rounded_outputs = 3;
  forward.saves_inputs = ~(1u << kBias);
  forward.saves_outputs = 1u << kStates | 1u << kCells | 1u << kGates;
  register_op(forward);

  Op grad;
  grad.name = "recurrent_grad";
  grad.doc =
      "The gradients of recurrent's x, kernel, recurrent_kernel, bias, h0 and c0 (empty where bit i of `wanted` isn't "
      "set) from those of its states, last h and last c; then the memory it worked in.";
  grad.tensors = {{"x"},
                  {"kernel"},
                  {"recurrent_kernel"},
                  {"states"},
                  {"cells"},
                  {"gates"},
                  optional("h0"),
                  optional("c0"),
                  optional("mask"),
                  optional("dstates"),
                  optional("dlast_h"),
                  optional("dlast_c")};
  grad.attrs = attrs;
  grad.attrs.push_back(attr_with_default("wanted", AttrKind::integer, Attr::of(63)));
  grad.prepare = prepare_grad;
  grad.infer = infer_grad;
  grad.lower = lower_grad;
  grad.vjp = vjp_grad;
  grad.saves_inputs = 0;
  register_op(grad);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
