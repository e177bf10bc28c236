#include "runtime/fork.h"

#include <pthread.h>

#include <new>

namespace chainrule {

// All there are. A fork holds the list's own mutex meanwhile.
class ForkMutexes {
 public:
  static ForkMutexes& all() {
    static ForkMutexes* const all = [] {  // never destroyed: programs may outlive static objects
      auto* made = new ForkMutexes;
      pthread_atfork([] { ForkMutexes::all().mutex_.lock(); }, [] { ForkMutexes::all().mutex_.unlock(); },
                     [] { ForkMutexes::all().renew(); });
      return made;
    }();
    return *all;
  }
  void enter(ForkMutex* mutex) {
    const std::lock_guard<std::mutex> lock(mutex_);
    mutex->next_ = first_;
    if (first_) first_->previous_ = mutex;
    first_ = mutex;
  }
  void leave(ForkMutex* mutex) {
    const std::lock_guard<std::mutex> lock(mutex_);
    (mutex->previous_ ? mutex->previous_->next_ : first_) = mutex->next_;
    if (mutex->next_) mutex->next_->previous_ = mutex->previous_;
  }

 private:
  void renew() {
    for (ForkMutex* mutex = first_; mutex; mutex = mutex->next_) new (&mutex->mutex_) std::mutex;
    mutex_.unlock();
  }

  std::mutex mutex_;
  ForkMutex* first_ = nullptr;
};

ForkMutex::ForkMutex() { ForkMutexes::all().enter(this); }
ForkMutex::~ForkMutex() { ForkMutexes::all().leave(this); }

}  // namespace chainrule
