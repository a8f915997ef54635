// A few threads for work that would keep a loop from its connections.
//
// Of our own and not libuv's, so that signals stay with the loops and the queue has a bound. One
// pool serves all loops of the process; a loop's end of it is a PoolWorker.
// Threads start with the first work. The pool's destructor waits for the work under way and drops
// what waits; Jobs may outlive it.
// Flow: make a ThreadPool; a PoolWorker for each loop; Worker as base/worker.hpp says. A Job and a
// PoolWorker are destroyed before their loop is.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "base/worker.hpp"
#include "net/loop.hpp"

namespace waxseal::net {

struct ThreadPoolOptions {
    std::size_t threads = 2;
    std::size_t waiting = 64;  // pieces of work, besides those under way
};

class ThreadPool {
  public:
    explicit ThreadPool(const ThreadPoolOptions& options = {});
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

  private:
    friend class PoolWorker;
    struct Queue;
    std::shared_ptr<Queue> queue_;
};

class PoolWorker final : public Worker {
  public:
    PoolWorker(Loop& loop, const ThreadPool& pool);
    [[nodiscard]] std::unique_ptr<Job> run(std::function<void()> work,
                                           std::function<void()> done) override;

  private:
    class PoolJob;
    Loop::Poster poster_;
    std::shared_ptr<ThreadPool::Queue> queue_;
};

}  // namespace waxseal::net
