// The log's way out, against real pipes: nothing blocks, nothing is torn, nothing is lost
// uncounted.
#include "app/log_sink.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace waxseal;
using namespace std::chrono_literals;
using app::LogSink;
using app::LogTarget;
using log::Format;
using log::Level;

namespace {

class Pipe {
  public:
    Pipe() { REQUIRE(::pipe2(ends_.data(), O_CLOEXEC) == 0); }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        close_reader();
        close_writer();
    }
    void shrink() { REQUIRE(::fcntl(ends_[1], F_SETPIPE_SZ, 4096) >= 4096); }
    void close_reader() { close(ends_[0]); }
    void close_writer() { close(ends_[1]); }
    [[nodiscard]] int writer() const { return ends_[1]; }

    // All lines until the writer is closed.
    [[nodiscard]] std::vector<std::string> lines() const {
        std::string text;
        std::array<char, 4096> block{};
        for (ssize_t got = 0; (got = ::read(ends_[0], block.data(), block.size())) > 0;) {
            text.append(block.data(), static_cast<std::size_t>(got));
        }
        std::vector<std::string> result;
        while (!text.empty()) {
            const std::size_t end = text.find('\n');
            REQUIRE(end != std::string::npos);
            result.push_back(text.substr(0, end));
            text.erase(0, end + 1);
        }
        return result;
    }

  private:
    static void close(int& end) {
        if (end >= 0) ::close(end);
        end = -1;
    }
    std::array<int, 2> ends_{-1, -1};
};

LogTarget target(const Pipe& pipe, Format format) {
    LogTarget result;
    result.descriptor = pipe.writer();
    result.format = format;
    return result;
}

std::vector<std::string> one_event(Format format, bool journal, Level level) {
    Pipe pipe;
    {
        LogTarget where = target(pipe, format);
        where.journal = journal;
        LogSink sink(where);
        sink.write(level, "hello", {{"braces", "{} {0} %s"}});
    }
    pipe.close_writer();
    return pipe.lines();
}

}  // namespace

TEST_CASE("what was written before the end is on the pipe after it") {
    const auto lines = one_event(Format::text, false, Level::info);
    REQUIRE(lines.size() == 1);
    // 2026-11-23T10:00:00.000Z
    CHECK(lines[0].size() > 25);
    CHECK(lines[0][10] == 'T');
    CHECK(lines[0][19] == '.');
    CHECK(lines[0][23] == 'Z');
    CHECK(lines[0].substr(24) == " info  hello braces=\"{} {0} %s\"");
}

TEST_CASE("the journal gets a priority and no time, except in json") {
    CHECK(one_event(Format::text, true, Level::debug)[0].starts_with("<7>debug hello"));
    CHECK(one_event(Format::text, true, Level::info)[0].starts_with("<6>info  hello"));
    CHECK(one_event(Format::logfmt, true, Level::warn)[0].starts_with("<4>level=warn event=hello"));
    CHECK(one_event(Format::text, true, Level::error)[0].starts_with("<3>error hello"));
    const auto json = nlohmann::json::parse(one_event(Format::json, true, Level::info)[0]);
    CHECK(json["event"] == "hello");
    CHECK(json.contains("time"));
}

TEST_CASE("a pipe that nobody reads stops the log and not the caller; what is dropped is counted") {
    Pipe pipe;
    pipe.shrink();
    constexpr int events = 20'000;
    std::vector<std::string> lines;
    std::thread reader;
    {
        LogTarget where = target(pipe, Format::json);
        where.queue = 64;
        where.grace = 60s;
        LogSink sink(where);
        for (int i = 0; i < events; ++i) sink.write(Level::info, "n", {{"i", i}});
        // Only now: had a write waited for a reader, we would not be here.
        reader = std::thread([&] { lines = pipe.lines(); });
    }
    pipe.close_writer();
    reader.join();

    std::int64_t dropped = 0;
    std::int64_t written = 0;
    std::int64_t last = -1;
    for (const std::string& line : lines) {
        const auto json = nlohmann::json::parse(line);
        if (json["event"] == "log_dropped") {
            CHECK(json["level"] == "warn");
            dropped += json["lines"].get<std::int64_t>();
        } else {
            ++written;
            CHECK(json["i"] > last);
            last = json["i"];
        }
    }
    CHECK(dropped > 0);
    CHECK(written + dropped == events);
    // The oldest are dropped: the newest always arrives.
    CHECK(last == events - 1);
}

TEST_CASE("an end with a pipe that nobody reads takes no longer than the grace") {
    Pipe pipe;
    pipe.shrink();
    const auto begin = std::chrono::steady_clock::now();
    {
        LogTarget where = target(pipe, Format::text);
        where.queue = 16;
        where.grace = 100ms;
        LogSink sink(where);
        for (int i = 0; i < 1000; ++i) sink.write(Level::info, "n", {{"i", i}});
    }
    CHECK(std::chrono::steady_clock::now() - begin < 20s);
}

TEST_CASE("a reader that is gone does no harm") {
    Pipe pipe;
    pipe.close_reader();
    LogSink sink(target(pipe, Format::text));
    // With SIGPIPE as it is by default this would end the process.
    for (int i = 0; i < 100; ++i) sink.write(Level::info, "n", {{"i", i}});
}

TEST_CASE("lines of many threads do not mix, long ones neither") {
    Pipe pipe;
    constexpr int threads = 4;
    constexpr int each = 300;
    std::vector<std::string> lines;
    std::thread reader([&] { lines = pipe.lines(); });
    {
        LogTarget where = target(pipe, Format::json);
        where.queue = threads * each;
        where.grace = 60s;
        LogSink sink(where);
        std::vector<std::thread> writers;
        for (int t = 0; t < threads; ++t) {
            writers.emplace_back([&sink, t] {
                // Longer than PIPE_BUF, so written in parts.
                const std::vector<std::string> list(20, std::string(400, 'x'));
                for (int i = 0; i < each; ++i)
                    sink.write(Level::info, "n", {{"id", t * each + i}, {"list", list}});
            });
        }
        for (std::thread& writer : writers) writer.join();
    }
    pipe.close_writer();
    reader.join();
    std::set<int> seen;
    for (const std::string& line : lines) seen.insert(nlohmann::json::parse(line)["id"].get<int>());
    CHECK(lines.size() == threads * each);
    CHECK(seen.size() == threads * each);
}

TEST_CASE("auto is text on a terminal, else json; a word is itself") {
    using config::LogFormat;
    CHECK(app::choose_format(LogFormat::automatic, true) == Format::text);
    CHECK(app::choose_format(LogFormat::automatic, false) == Format::json);
    CHECK(app::choose_format(LogFormat::text, false) == Format::text);
    CHECK(app::choose_format(LogFormat::json, true) == Format::json);
    CHECK(app::choose_format(LogFormat::logfmt, true) == Format::logfmt);
    CHECK(app::to_level(config::LogLevel::debug) == Level::debug);
    CHECK(app::to_level(config::LogLevel::info) == Level::info);
    CHECK(app::to_level(config::LogLevel::warn) == Level::warn);
    CHECK(app::to_level(config::LogLevel::error) == Level::error);
}

TEST_CASE("the journal is who has the device and inode of the descriptor") {
    const Pipe pipe;
    struct stat status{};
    REQUIRE(::fstat(pipe.writer(), &status) == 0);
    const std::string own = std::to_string(status.st_dev) + ':' + std::to_string(status.st_ino);
    const std::string other =
        std::to_string(status.st_dev) + ':' + std::to_string(status.st_ino + 1);
    CHECK(app::is_journal(pipe.writer(), own.c_str()));
    CHECK_FALSE(app::is_journal(pipe.writer(), other.c_str()));
    CHECK_FALSE(app::is_journal(pipe.writer(), nullptr));
    CHECK_FALSE(app::is_journal(pipe.writer(), ""));
    CHECK_FALSE(app::is_journal(pipe.writer(), "nonsense"));
}
