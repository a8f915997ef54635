// Where log lines go: to a descriptor (stderr), from a thread of its own, so that a reader that
// stalls stops the log and never the mail. When the queue is full the oldest line is dropped, and
// an event log_dropped says how many were.
//
// Flow: auto sink = std::make_shared<LogSink>(stderr_target(config.log.format)); log::install(sink,
// level); …; log::install(nullptr, level) and the last reference let go: what is queued is written,
// for `grace` at most.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>

#include "base/log.hpp"
#include "config/config.hpp"

namespace waxseal::app {

struct LogTarget {
    int descriptor = 2;
    log::Format format = log::Format::json;
    // systemd's journal reads it: it knows the time itself, and takes the priority from a prefix
    // (sd-daemon(3)).
    bool journal = false;
    std::size_t queue = 2048;
    std::chrono::milliseconds grace{1000};
};

// The format for stderr as it is now: auto is text on a terminal, else json.
[[nodiscard]] LogTarget stderr_target(config::LogFormat format);
[[nodiscard]] log::Format choose_format(config::LogFormat format, bool terminal) noexcept;
// Whether $JOURNAL_STREAM names this very descriptor (systemd.exec(5)): children of a service
// inherit the variable.
[[nodiscard]] bool is_journal(int descriptor, const char* journal_stream) noexcept;
[[nodiscard]] log::Level to_level(config::LogLevel level) noexcept;

class LogSink final : public log::Sink {
  public:
    explicit LogSink(const LogTarget& target);
    LogSink(const LogSink&) = delete;
    LogSink& operator=(const LogSink&) = delete;
    ~LogSink() override;

    void write(log::Level level, std::string_view event,
               const log::Fields& fields) noexcept override;
    // From the next line on.
    void set_format(log::Format format) noexcept;

  private:
    class Backend;
    std::unique_ptr<Backend> backend_;
};

}  // namespace waxseal::app
