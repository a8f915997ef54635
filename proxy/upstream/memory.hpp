// What is remembered of one upstream, as what it offered last. Whoever learns it anew says so, and
// everybody has the latest from then on.
//
// A copy is another view on the same memory: for other workers, and for what comes after a reload.
// Thread-safe; what latest() gives never changes.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace waxseal::upstream {

template <typename T>
class Memory {
  public:
    Memory() = default;
    Memory(std::nullopt_t) {}  // NOLINT: as an optional has it

    Memory& operator=(T value) {
        auto made = std::make_shared<const T>(std::move(value));
        const std::lock_guard lock(state_->mutex);
        state_->latest.swap(made);
        return *this;
    }
    // Null: nothing yet.
    [[nodiscard]] std::shared_ptr<const T> latest() const {
        const std::lock_guard lock(state_->mutex);
        return state_->latest;
    }
    [[nodiscard]] bool has_value() const { return latest() != nullptr; }
    [[nodiscard]] std::shared_ptr<const T> operator->() const { return latest(); }

  private:
    struct State {
        std::mutex mutex;
        std::shared_ptr<const T> latest;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace waxseal::upstream
