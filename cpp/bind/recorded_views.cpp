#include "bind/recorded_views.h"

#include <algorithm>
#include <utility>

#include "bind/operators.h"
#include "bind/subscript.h"
#include "graph/tape.h"
#include "graph/trace.h"

namespace chainrule {

namespace {

RecordedViews* views_of(PyObject* tensor) { return object_of(tensor)->recorded; }

RecordedViews& make_views(PyObject* tensor) {
  RecordedViews*& recorded = object_of(tensor)->recorded;
  if (!recorded) recorded = new RecordedViews;
  return *recorded;
}

// The place of a view in its parent; false where either has changed its shape or kind since.
bool find_place(PyObject* view, Subscript& place) {
  const RecordedViews* const recorded = views_of(view);
  if (!recorded || !recorded->parent) return false;
  const Tensor& parent = handle_of(recorded->parent.get());
  if (parent.shape() != recorded->parent_shape || parent.dtype() != handle_of(view).dtype()) return false;
  parse_subscript(parent, recorded->key.get(), place);
  return place.shape == handle_of(view).shape();
}

void renew_views(PyObject* self, PyObject* but) {
  RecordedViews* const recorded = views_of(self);
  if (!recorded) return;
  for (PyObject* view : recorded->views) {
    Subscript place;
    if (view == but || !find_place(view, place)) continue;
    handle_of(view) = basic_part(handle_of(self), place);
    renew_views(view, nullptr);
  }
}

}  // namespace

void follow_view(PyObject* view, PyObject* parent, PyObject* key) {
  if (!recording() && !handle_of(view).is_placeholder()) return;
  RecordedViews& recorded = make_views(view);
  make_views(parent).views.push_back(view);
  recorded.parent = Object::borrow(parent);
  recorded.key = Object::borrow(key);
  recorded.parent_shape = handle_of(parent).shape();
}

void unfollow_views(TensorObject* object) {
  RecordedViews* const recorded = object->recorded;
  object->recorded = nullptr;
  Object parent = std::move(recorded->parent);
  delete recorded;
  if (!parent) return;
  std::vector<PyObject*>& others = views_of(parent.get())->views;
  others.erase(std::find(others.begin(), others.end(), reinterpret_cast<PyObject*>(object)));
  // A view of a view of a view ...: one after the other, not each inside of the one before, which would need much
  // stack.
  static thread_local std::vector<Object> left;
  static thread_local bool at_work = false;
  left.push_back(std::move(parent));
  if (at_work) return;
  at_work = true;
  while (!left.empty()) {
    const Object next = std::move(left.back());
    left.pop_back();
  }
  at_work = false;
}

void spread_values(PyObject* self) {
  renew_views(self, nullptr);
  for (Subscript place; find_place(self, place); place = Subscript()) {
    PyObject* const parent = views_of(self)->parent.get();
    if (is_watched(handle_of(parent))) return;  // its gradient is by the value it came with
    replace_values(parent, functional_update(handle_of(parent), place, handle_of(self)));
    renew_views(parent, self);
    self = parent;
  }
}

}  // namespace chainrule
