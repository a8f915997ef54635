// Work that takes the processor too long for an event loop (deriving a key from a password), as the
// core sees it.
//
// net::PoolWorker implements it over threads, tests implement it in simulated time.
// Flow: run(); keep the Job until `done` has been called on the loop, once, never from inside
// run(). Destroying the Job cancels: `done` is then not called, and work that has not begun is not
// done. Work that has begun goes on, so it must own all that it touches; what it finds out goes to
// `done` through a value that both share.
#pragma once

#include <functional>
#include <memory>

namespace waxseal {

class Job {
  public:
    virtual ~Job() = default;
};

class Worker {
  public:
    virtual ~Worker() = default;
    // `work` is called and destroyed on another thread, and must not throw; `done` only ever on the
    // loop's. Null when too much waits already: nothing will be called, and whoever asks has to be
    // told to come again.
    [[nodiscard]] virtual std::unique_ptr<Job> run(std::function<void()> work,
                                                   std::function<void()> done) = 0;
};

}  // namespace waxseal
