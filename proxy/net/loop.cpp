// The loop over libuv. Deferred functions are run by a check handle (right after the callbacks of
// this round) and by an idle handle, which is active only while there are some: it keeps the poll
// from blocking and serves what was deferred outside the poll phase.
#include "net/loop.hpp"

#include <uv.h>

#include <cassert>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/limits.hpp"
#include "net/handle.hpp"

namespace waxseal::net {

namespace {

// libuv reports these only for want of memory or descriptors at start-up, or for a mistake of ours.
void must(int result) {
    if (result != 0) std::abort();
}

// A timer that dies in its close callback, whoever destroys the alarm and when.
class Timer final : public HandleOwner {
  public:
    Timer(uv_loop_t* loop, std::function<void()> on_expiry) : on_expiry_(std::move(on_expiry)) {
        must(uv_timer_init(loop, &timer_));
        timer_.data = static_cast<HandleOwner*>(this);
    }

    void arm(Duration delay) {
        const auto milliseconds = delay.count() > 0 ? static_cast<std::uint64_t>(delay.count()) : 0;
        // libuv's clock stands still during a callback: after long work in it the alarm would come
        // early.
        uv_update_time(timer_.loop);
        must(uv_timer_start(&timer_, &Timer::expired, milliseconds, 0));
    }
    void disarm() { uv_timer_stop(&timer_); }

    // The function may be the caller's own frame, so it is destroyed in the close callback.
    void release() noexcept override { close_now(); }
    void close_now() noexcept override {
        auto* handle = reinterpret_cast<uv_handle_t*>(&timer_);
        if (uv_is_closing(handle)) return;
        uv_close(handle, [](uv_handle_t* closed) noexcept {
            delete static_cast<HandleOwner*>(closed->data);
        });
    }

  private:
    static void expired(uv_timer_t* timer) noexcept {
        static_cast<Timer*>(static_cast<HandleOwner*>(timer->data))->on_expiry_();
    }

    uv_timer_t timer_{};
    std::function<void()> on_expiry_;
};

class LoopAlarm final : public Alarm {
  public:
    explicit LoopAlarm(Held<Timer> timer) : timer_(std::move(timer)) {}
    void arm(Duration delay) override { timer_->arm(delay); }
    void disarm() override { timer_->disarm(); }

  private:
    Held<Timer> timer_;
};

class Signal final : public HandleOwner {
  public:
    Signal(uv_loop_t* loop, int number, std::function<void()> function)
        : function_(std::move(function)) {
        must(uv_signal_init(loop, &signal_));
        signal_.data = static_cast<HandleOwner*>(this);
        must(uv_signal_start(&signal_, &Signal::arrived, number));
    }
    void release() noexcept override { close_now(); }
    void close_now() noexcept override {
        auto* handle = reinterpret_cast<uv_handle_t*>(&signal_);
        if (uv_is_closing(handle)) return;
        uv_close(handle, [](uv_handle_t* closed) noexcept {
            delete static_cast<HandleOwner*>(closed->data);
        });
    }

  private:
    static void arrived(uv_signal_t* signal, int) noexcept {
        static_cast<Signal*>(static_cast<HandleOwner*>(signal->data))->function_();
    }

    uv_signal_t signal_{};
    std::function<void()> function_;
};

}  // namespace

struct Loop::Poster::Box {
    std::mutex mutex;
    std::vector<std::function<void()>> posted;
    uv_async_t* bell = nullptr;  // null once the loop has ended
};

bool Loop::Poster::post(std::function<void()> function) const {
    const std::lock_guard lock(box_->mutex);
    if (box_->bell == nullptr) return false;
    box_->posted.push_back(std::move(function));
    uv_async_send(box_->bell);
    return true;
}

// libuv's own structures; the loop's handles carry no HandleOwner, data is the Loop.
struct Loop::Handles {
    uv_loop_t loop{};
    uv_async_t bell{};
    uv_check_t check{};
    uv_idle_t idle{};
};

Loop::Loop()
    : handles_(std::make_unique<Handles>()),
      poster_(std::make_shared<Poster::Box>()),
      read_block_(limits::read_block) {
    // A write to a connection that the peer has reset must be an error value, not the end of the
    // process.
    std::signal(SIGPIPE, SIG_IGN);
    Handles& h = *handles_;
    must(uv_loop_init(&h.loop));
    h.loop.data = this;
    must(uv_async_init(&h.loop, &h.bell, [](uv_async_t* bell) noexcept {
        auto* loop = static_cast<Loop*>(bell->loop->data);
        std::vector<std::function<void()>> posted;
        {
            const std::lock_guard lock(loop->poster_.box_->mutex);
            posted.swap(loop->poster_.box_->posted);
        }
        for (auto& function : posted) function();
    }));
    poster_.box_->bell = &h.bell;
    must(uv_check_init(&h.loop, &h.check));
    must(uv_check_start(&h.check, [](uv_check_t* check) noexcept {
        static_cast<Loop*>(check->loop->data)->run_deferred();
    }));
    must(uv_idle_init(&h.loop, &h.idle));
}

Loop::~Loop() {
    Handles& h = *handles_;
    std::vector<std::function<void()>> unrun;
    {
        const std::lock_guard lock(poster_.box_->mutex);
        poster_.box_->bell = nullptr;
        unrun.swap(poster_.box_->posted);
    }
    // What is destroyed here may own channels and alarms, and may defer again.
    unrun.clear();
    while (!deferred_.empty()) std::exchange(deferred_, {}).clear();
    close_everything();
    while (uv_run(&h.loop, UV_RUN_DEFAULT) != 0) {
    }
    [[maybe_unused]] const int left = uv_loop_close(&h.loop);
    assert(left == 0);
}

void Loop::close_everything() noexcept {
    Handles& h = *handles_;
    uv_close(reinterpret_cast<uv_handle_t*>(&h.bell), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&h.check), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&h.idle), nullptr);
    uv_walk(
        &h.loop,
        [](uv_handle_t* handle, void*) noexcept {
            if (!uv_is_closing(handle)) static_cast<HandleOwner*>(handle->data)->close_now();
        },
        nullptr);
}

TimePoint Loop::now() const noexcept { return TimePoint(Duration(uv_now(&handles_->loop))); }

std::unique_ptr<Alarm> Loop::alarm(std::function<void()> on_expiry) {
    return std::make_unique<LoopAlarm>(
        Held<Timer>(new Timer(&handles_->loop, std::move(on_expiry))));
}

void Loop::defer(std::function<void()> function) {
    if (deferred_.empty()) {
        uv_idle_start(&handles_->idle, [](uv_idle_t* idle) noexcept {
            static_cast<Loop*>(idle->loop->data)->run_deferred();
        });
    }
    deferred_.push_back(std::move(function));
}

void Loop::run_deferred() noexcept {
    if (deferred_.empty()) return;
    uv_idle_stop(&handles_->idle);
    for (auto& function : std::exchange(deferred_, {})) {
        // What it owns dies with its own run, not with the whole batch.
        const std::function<void()> one = std::move(function);
        one();
    }
}

void Loop::run() {
    uv_update_time(&handles_->loop);
    uv_run(&handles_->loop, UV_RUN_DEFAULT);
}

void Loop::stop() { uv_stop(&handles_->loop); }

void Loop::on_signal(int number, std::function<void()> function) {
    // Not lost: the loop closes it, and the close callback deletes it.
    static_cast<void>(new Signal(&handles_->loop, number, std::move(function)));
}

uv_loop_s* Loop::handle() const noexcept { return &handles_->loop; }

}  // namespace waxseal::net
