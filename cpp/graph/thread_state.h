// What a thread is doing with the ops it calls: computing, recording gradients, recording a program.
// Invariant: one object per thread, so that a call looks it up once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ops/op.h"

namespace chainrule {

class Trace;

// The path of the layer that calls ops, for measurements; null outside of any. Instructions and gradient nodes keep it.
using LayerName = std::shared_ptr<const std::string>;

struct ThreadState {
  Trace* trace = nullptr;     // the program being recorded (graph/trace.h)
  int recording_depth = 0;    // above zero: gradients are recorded (graph/tape.h)
  LayerName layer;            // whose ops are being called
  std::vector<Output> specs;  // of the call being inferred; kept so that a call allocates nothing but its result
};

ThreadState& thread_state();  // trace.cpp

}  // namespace chainrule
