// The threads, what they work on, and those who wait for it.
#include "net/thread_pool.hpp"

#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace waxseal::net {

namespace {

// Belongs to the loop's thread. The pool knows it by a weak pointer, which is locked on the loop's
// thread only, so `done` never dies anywhere else.
struct Waiter {
    std::function<void()> done;
};

struct Task {
    std::function<void()> work;
    std::weak_ptr<Waiter> waiter;
    Loop::Poster poster;
};

}  // namespace

struct ThreadPool::Queue {
    explicit Queue(const ThreadPoolOptions& o) : options(o) {}

    [[nodiscard]] bool add(Task task);
    void drop_abandoned();
    void end();
    [[nodiscard]] bool start_thread();
    void work();

    const ThreadPoolOptions options;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Task> tasks;
    std::vector<std::thread> threads;
    std::size_t idle = 0;  // threads waiting for a task
    bool ending = false;
};

bool ThreadPool::Queue::add(Task task) {
    const std::lock_guard lock(mutex);
    if (ending || tasks.size() >= options.waiting + idle) return false;
    const bool wanted = idle <= tasks.size() && threads.size() < options.threads;
    if (wanted && !start_thread() && threads.empty()) return false;
    tasks.push_back(std::move(task));
    changed.notify_one();
    return true;
}

void ThreadPool::Queue::drop_abandoned() {
    std::vector<Task> dropped;  // destroyed outside the lock: what they own is not ours to know
    const std::lock_guard lock(mutex);
    for (auto task = tasks.begin(); task != tasks.end();) {
        if (!task->waiter.expired()) {
            ++task;
            continue;
        }
        dropped.push_back(std::move(*task));
        task = tasks.erase(task);
    }
}

bool ThreadPool::Queue::start_thread() {
    // Signals are for the loops.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = true;
    try {
        threads.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
        started = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return started;
}

void ThreadPool::Queue::work() {
    std::unique_lock lock(mutex);
    while (true) {
        ++idle;
        changed.wait(lock, [this] { return ending || !tasks.empty(); });
        --idle;
        if (ending) return;
        Task task = std::move(tasks.front());
        tasks.pop_front();
        lock.unlock();
        if (task.work) task.work();
        task.work = nullptr;  // before the loop hears of it
        task.poster.post([waiter = std::move(task.waiter)] {
            const auto waiting = waiter.lock();
            if (!waiting) return;
            const auto done = std::exchange(waiting->done, nullptr);
            if (done) done();
        });
        lock.lock();
    }
}

void ThreadPool::Queue::end() {
    std::deque<Task> dropped;
    std::vector<std::thread> ended;
    {
        const std::lock_guard lock(mutex);
        ending = true;
        dropped.swap(tasks);
        ended.swap(threads);
    }
    changed.notify_all();
    for (std::thread& thread : ended) thread.join();
}

ThreadPool::ThreadPool(const ThreadPoolOptions& options)
    : queue_(std::make_shared<Queue>(options)) {}

ThreadPool::~ThreadPool() { queue_->end(); }

class PoolWorker::PoolJob final : public Job {
  public:
    PoolJob(std::shared_ptr<Waiter> waiter, std::shared_ptr<ThreadPool::Queue> queue)
        : waiter_(std::move(waiter)), queue_(std::move(queue)) {}
    ~PoolJob() override {
        const bool open = static_cast<bool>(waiter_->done);
        waiter_.reset();
        if (open) queue_->drop_abandoned();
    }
    PoolJob(const PoolJob&) = delete;
    PoolJob& operator=(const PoolJob&) = delete;

  private:
    std::shared_ptr<Waiter> waiter_;
    std::shared_ptr<ThreadPool::Queue> queue_;
};

PoolWorker::PoolWorker(Loop& loop, const ThreadPool& pool)
    : poster_(loop.poster()), queue_(pool.queue_) {}

std::unique_ptr<Job> PoolWorker::run(std::function<void()> work, std::function<void()> done) {
    auto waiter = std::make_shared<Waiter>(std::move(done));
    if (!queue_->add({std::move(work), waiter, poster_})) return nullptr;
    return std::make_unique<PoolJob>(std::move(waiter), queue_);
}

}  // namespace waxseal::net
