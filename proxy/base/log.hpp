// The log facade: one event a line, an event is a name and fields. What carries the lines away is a
// Sink that app/ installs (asynchronous); everything here is pure and may be called from any
// thread.
//
// Field values are untrusted octets until escaped here: no caller escapes. Secret has no conversion
// to a field, so a credential cannot be logged by mistake.
//
//   log::info("session_start", {{"session", id}, {"client", address}});
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace waxseal {
class Secret;
}

namespace waxseal::log {

enum class Level { debug, info, warn, error };
enum class Format { text, json, logfmt };

class Field;
using Fields = std::vector<Field>;

class Field {
  public:
    // The last: records under one key. JSON: an array of objects; text and logfmt: key.0.name=value
    // key.1.name=value.
    using Value =
        std::variant<std::string, std::int64_t, std::vector<std::string>, std::vector<Fields>>;

    Field(std::string_view key, std::string_view value) : key_(key), value_(std::string(value)) {}
    Field(std::string_view key, const char* value) : key_(key), value_(std::string(value)) {}
    Field(std::string_view key, const std::string& value) : key_(key), value_(value) {}
    Field(std::string_view key, std::vector<std::string> value)
        : key_(key), value_(std::move(value)) {}
    Field(std::string_view key, std::vector<Fields> records)
        : key_(key), value_(std::move(records)) {}
    template <std::integral T>
    Field(std::string_view key, T value) : key_(key), value_(static_cast<std::int64_t>(value)) {}
    Field(std::string_view key, const Secret& value) = delete;

    [[nodiscard]] const std::string& key() const noexcept { return key_; }
    [[nodiscard]] const Value& value() const noexcept { return value_; }

  private:
    std::string key_;
    Value value_;
};

// One event as a line without its newline. `time` is RFC 3339 in UTC with milliseconds, or empty to
// leave it out. text:   2026-11-23T10:00:00.000Z info  session_start session=7F3A client=192.0.2.1
// logfmt: time=… level=info event=session_start session=7F3A …
// json:   {"time":"…","level":"info","event":"session_start","session":"7F3A",…}   (lists are
// arrays)
[[nodiscard]] std::string format(Format format, std::string_view time, Level level,
                                 std::string_view event, const Fields& fields);

// Where finished events go. Must not block and must not throw.
class Sink {
  public:
    virtual ~Sink() = default;
    virtual void write(Level level, std::string_view event, const Fields& fields) noexcept = 0;
};

// Installs the process-wide sink (null: discard) and the lowest level that is written. Not while
// threads log.
void install(std::shared_ptr<Sink> sink, Level lowest) noexcept;
void set_lowest(Level lowest) noexcept;
[[nodiscard]] bool enabled(Level level) noexcept;

void emit(Level level, std::string_view event, const Fields& fields);
inline void debug(std::string_view event, const Fields& fields = {}) {
    emit(Level::debug, event, fields);
}
inline void info(std::string_view event, const Fields& fields = {}) {
    emit(Level::info, event, fields);
}
inline void warn(std::string_view event, const Fields& fields = {}) {
    emit(Level::warn, event, fields);
}
inline void error(std::string_view event, const Fields& fields = {}) {
    emit(Level::error, event, fields);
}

[[nodiscard]] std::string_view to_string(Level level) noexcept;

}  // namespace waxseal::log
