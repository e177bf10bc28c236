// A mutex that nobody holds in a forked child, whoever held it in the parent: a child has only the thread that forked,
// so one held by another would stay locked for ever. For what is held too long for a fork to wait (a program that
// runs); what it guards must be good to begin with anew at any moment.
#pragma once

#include <mutex>

namespace chainrule {

class ForkMutex {
 public:
  ForkMutex();
  ~ForkMutex();
  ForkMutex(const ForkMutex&) = delete;
  ForkMutex& operator=(const ForkMutex&) = delete;

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  friend class ForkMutexes;
  std::mutex mutex_;
  ForkMutex *next_ = nullptr, *previous_ = nullptr;
};

}  // namespace chainrule
