// The exceptions of the core and the one style of their messages: "[op] what came, what was expected, how to mend it".
// bind/ turns each into the standard Python exception named beside it.
#pragma once

#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace chainrule {

struct ShapeError : std::invalid_argument {  // ValueError
  using std::invalid_argument::invalid_argument;
};
struct ValueError : std::invalid_argument {  // ValueError
  using std::invalid_argument::invalid_argument;
};
struct DTypeError : std::invalid_argument {  // TypeError
  using std::invalid_argument::invalid_argument;
};
struct AxisError : std::out_of_range {  // numpy.exceptions.AxisError (a ValueError and an IndexError)
  using std::out_of_range::out_of_range;
};
struct IndexError : std::out_of_range {  // IndexError
  using std::out_of_range::out_of_range;
};
struct TraceError : std::logic_error {  // chainrule.TraceError (a TypeError)
  using std::logic_error::logic_error;
};
struct GradientError : std::runtime_error {  // RuntimeError
  using std::runtime_error::runtime_error;
};

// Joins its arguments as a stream would: message("[sum] axis ", 3, " is out of bounds").
template <class... Parts>
std::string message(Parts&&... parts) {
  std::ostringstream stream;
  (stream << ... << std::forward<Parts>(parts));
  return stream.str();
}

}  // namespace chainrule
