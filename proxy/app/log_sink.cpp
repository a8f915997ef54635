// The log's way out: spdlog's queue and thread, our own writing. Lines are formed where they arise,
// in parallel; the one thread behind the queue only writes.
#include "app/log_sink.hpp"

#include <poll.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

namespace waxseal::app {
namespace {

using Clock = std::chrono::steady_clock;

std::string timestamp() {
    std::timespec now{};
    std::timespec_get(&now, TIME_UTC);
    std::tm parts{};
    gmtime_r(&now.tv_sec, &parts);
    std::array<char, 40> text{};
    const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    const long milliseconds = now.tv_nsec / 1'000'000;
    std::snprintf(text.data() + length, text.size() - length, ".%03ldZ", milliseconds);
    return text.data();
}

std::string_view priority(log::Level level) noexcept {
    switch (level) {
        case log::Level::debug:
            return "<7>";
        case log::Level::info:
            return "<6>";
        case log::Level::warn:
            return "<4>";
        case log::Level::error:
            break;
    }
    return "<3>";
}

std::string make_line(bool journal, log::Format format, log::Level level, std::string_view event,
                      const log::Fields& fields) {
    const bool bare = journal && format != log::Format::json;
    std::string line(bare ? priority(level) : std::string_view());
    line += log::format(format, bare ? std::string() : timestamp(), level, event, fields);
    return line += '\n';
}

// Writes to a descriptor that others may share, and so without making it non-blocking for them.
// poll() says when a pipe takes PIPE_BUF octets; more than that at once could block, and a thread
// that blocks cannot be ended.
class Writer {
  public:
    explicit Writer(int descriptor) : descriptor_(descriptor) {}

    // From any thread: what is not written by then is given up.
    void give_up_at(Clock::time_point when) noexcept {
        deadline_.store(when.time_since_epoch().count());
    }

    void write(std::string_view line) noexcept {
        while (!line.empty() && wait_writable()) {
            const ssize_t sent =
                ::write(descriptor_, line.data(), std::min<std::size_t>(line.size(), PIPE_BUF));
            if (sent > 0) line.remove_prefix(static_cast<std::size_t>(sent));
            // A reader that is gone (EPIPE), a full disk: there is nobody to tell.
            if (sent < 0 && errno != EINTR && errno != EAGAIN) return;
        }
    }

  private:
    bool wait_writable() noexcept {
        while (Clock::now().time_since_epoch().count() < deadline_.load()) {
            pollfd entry{descriptor_, POLLOUT, 0};
            // The time limit is there to look at the deadline again.
            const int ready = ::poll(&entry, 1, 50);
            if (ready > 0) return true;
            if (ready < 0 && errno != EINTR) return false;
        }
        return false;
    }

    int descriptor_;
    std::atomic<Clock::rep> deadline_{Clock::time_point::max().time_since_epoch().count()};
};

// All signals are for the main loop. SIGPIPE too: a log reader that goes away must not end the
// mail.
void block_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

// spdlog's end of the queue.
class LogSink::Backend final {
  public:
    explicit Backend(const LogTarget& target)
        : target_(target),
          output_(std::make_shared<Output>(target)),
          pool_(std::make_shared<spdlog::details::thread_pool>(target.queue, 1, block_signals)),
          logger_(std::make_shared<spdlog::async_logger>(
              "waxseal", output_, pool_, spdlog::async_overflow_policy::overrun_oldest)) {
        output_->watch(pool_.get());
        logger_->set_level(spdlog::level::trace);
        logger_->set_error_handler([](const std::string&) {});
    }
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;
    ~Backend() {
        output_->writer.give_up_at(Clock::now() + target_.grace);
        // The pool's destructor ends the thread behind everything that is queued.
        pool_.reset();
    }

    void write(log::Level level, std::string_view event, const log::Fields& fields) {
        const std::string line =
            make_line(target_.journal, output_->format.load(), level, event, fields);
        // A string_view is not taken for a format: braces in it are only braces.
        logger_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
    }

    void set_format(log::Format format) noexcept { output_->format.store(format); }

  private:
    struct Output final : spdlog::sinks::sink {
        explicit Output(const LogTarget& where)
            : writer(where.descriptor), journal(where.journal), format(where.format) {}
        void watch(spdlog::details::thread_pool* queue) { pool.store(queue); }

        void log(const spdlog::details::log_msg& message) override {
            if (auto* queue = pool.load(); queue != nullptr) {
                const std::size_t dropped = queue->overrun_counter();
                if (dropped > reported) {
                    writer.write(make_line(journal, format.load(), log::Level::warn, "log_dropped",
                                           {{"lines", dropped - reported}}));
                }
                reported = dropped;
            }
            writer.write({message.payload.data(), message.payload.size()});
        }
        void flush() override {}
        void set_pattern(const std::string&) override {}
        void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

        Writer writer;
        bool journal;
        std::atomic<log::Format> format;
        std::atomic<spdlog::details::thread_pool*> pool{nullptr};
        std::size_t reported = 0;
    };

    LogTarget target_;
    std::shared_ptr<Output> output_;
    std::shared_ptr<spdlog::details::thread_pool> pool_;
    std::shared_ptr<spdlog::async_logger> logger_;
};

LogSink::LogSink(const LogTarget& target) : backend_(std::make_unique<Backend>(target)) {}
LogSink::~LogSink() = default;

void LogSink::write(log::Level level, std::string_view event, const log::Fields& fields) noexcept {
    try {
        backend_->write(level, event, fields);
    } catch (...) {
        // Out of memory: a line less is the smallest harm.
        return;
    }
}

void LogSink::set_format(log::Format format) noexcept { backend_->set_format(format); }

LogTarget stderr_target(config::LogFormat format) {
    LogTarget target;
    target.format = choose_format(format, ::isatty(target.descriptor) != 0);
    target.journal = is_journal(target.descriptor, std::getenv("JOURNAL_STREAM"));
    return target;
}

log::Format choose_format(config::LogFormat format, bool terminal) noexcept {
    switch (format) {
        case config::LogFormat::text:
            return log::Format::text;
        case config::LogFormat::json:
            return log::Format::json;
        case config::LogFormat::logfmt:
            return log::Format::logfmt;
        case config::LogFormat::automatic:
            break;
    }
    return terminal ? log::Format::text : log::Format::json;
}

bool is_journal(int descriptor, const char* journal_stream) noexcept {
    if (journal_stream == nullptr) return false;
    struct stat status{};
    if (::fstat(descriptor, &status) != 0) return false;
    // "DEVICE:INODE", in decimal
    std::array<char, 64> own{};
    std::snprintf(own.data(), own.size(), "%llu:%llu",
                  static_cast<unsigned long long>(status.st_dev),
                  static_cast<unsigned long long>(status.st_ino));
    return std::string_view(own.data()) == journal_stream;
}

log::Level to_level(config::LogLevel level) noexcept {
    switch (level) {
        case config::LogLevel::debug:
            return log::Level::debug;
        case config::LogLevel::info:
            return log::Level::info;
        case config::LogLevel::warn:
            return log::Level::warn;
        case config::LogLevel::error:
            break;
    }
    return log::Level::error;
}

}  // namespace waxseal::app
