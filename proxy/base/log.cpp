// The log facade: where a line gets its form, and the one place where untrusted octets are made
// safe for it.
//
// Every value passes text::escape (text, logfmt) or the JSON writer with all that is not plain
// ASCII escaped, so no peer can end a line, move a terminal's cursor or turn text around. Values
// and lists are cut: one event is one line of bounded length whatever a peer sent.
#include "base/log.hpp"

#include <atomic>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace waxseal::log {
namespace {

// A mailbox is at most 320 octets, a reply line 512.
constexpr std::size_t value_limit = 512;
// Items of a list: recipients, mostly.
constexpr std::size_t list_limit = 100;

struct State {
    std::shared_ptr<Sink> sink;
    std::atomic<Level> lowest{Level::info};
};

State& state() noexcept {
    static State instance;
    return instance;
}

// Keys and event names are ours, but a slip must not break the line.
std::string plain(std::string_view name) {
    std::string result(name);
    for (char& c : result) {
        if (!text::alnum(c) && c != '_' && c != '-' && c != '.') c = '_';
    }
    return result.empty() ? "_" : result;
}

std::string more(std::size_t count) { return "… " + std::to_string(count) + " more"; }

// A value as one word; in quotes when a reader could not tell where it ends.
std::string word(std::string escaped) {
    if (!escaped.empty() && escaped.find_first_of(" \"=") == std::string::npos) return escaped;
    std::string result = "\"";
    for (const char c : escaped) {
        if (c == '"') result += '\\';
        result += c;
    }
    return result + '"';
}

std::string plain_value(const Field::Value& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
    if (const auto* single = std::get_if<std::string>(&value)) {
        return word(text::escape(*single, value_limit));
    }
    const auto& list = std::get<std::vector<std::string>>(value);
    std::string joined;
    for (std::size_t i = 0; i < list.size() && i < list_limit; ++i) {
        if (i > 0) joined += ',';
        joined += text::escape(list[i], value_limit);
    }
    if (list.size() > list_limit) joined += ',' + more(list.size() - list_limit);
    return word(std::move(joined));
}

std::string json_string(std::string_view value) {
    using nlohmann::json;
    std::string kept(value.substr(0, value_limit));
    if (value.size() > value_limit) {
        // Not in the middle of a character.
        std::size_t end = value_limit;
        while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0U) == 0x80U) --end;
        kept.resize(end);
        kept += "…";
    }
    return json(kept).dump(-1, ' ', true, json::error_handler_t::replace);
}

// " key=value" for a simple field; for records each of their fields under "key.index.".
void append_plain(std::string& line, const std::string& prefix, const Fields& fields) {
    for (const Field& field : fields) {
        const std::string key = prefix + plain(field.key());
        if (const auto* records = std::get_if<std::vector<Fields>>(&field.value())) {
            for (std::size_t i = 0; i < records->size() && i < list_limit; ++i) {
                append_plain(line, key + '.' + std::to_string(i) + '.', (*records)[i]);
            }
        } else {
            line += ' ' + key + '=' + plain_value(field.value());
        }
    }
}

std::string json_members(const Fields& fields);

std::string json_value(const Field::Value& value) {
    if (const auto* records = std::get_if<std::vector<Fields>>(&value)) {
        std::string joined;
        for (std::size_t i = 0; i < records->size() && i < list_limit; ++i) {
            joined += (i == 0 ? "{" : ",{") + json_members((*records)[i]) + '}';
        }
        return '[' + joined + ']';
    }
    if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
    if (const auto* single = std::get_if<std::string>(&value)) return json_string(*single);
    const auto& list = std::get<std::vector<std::string>>(value);
    std::string joined = "[";
    for (std::size_t i = 0; i < list.size() && i < list_limit; ++i) {
        if (i > 0) joined += ',';
        joined += json_string(list[i]);
    }
    if (list.size() > list_limit) joined += ',' + json_string(more(list.size() - list_limit));
    return joined + ']';
}

std::string json_members(const Fields& fields) {
    std::string members;
    for (const Field& field : fields) {
        if (!members.empty()) members += ',';
        members += '"' + plain(field.key()) + "\":" + json_value(field.value());
    }
    return members;
}

std::string as_text(std::string_view time, Level level, std::string_view event,
                    const Fields& fields) {
    std::string line;
    if (!time.empty()) line.append(time) += ' ';
    line.append(to_string(level)).append(6 - to_string(level).size(), ' ');
    line += plain(event);
    append_plain(line, {}, fields);
    return line;
}

std::string as_logfmt(std::string_view time, Level level, std::string_view event,
                      const Fields& fields) {
    std::string line;
    if (!time.empty()) line.append("time=").append(time) += ' ';
    line.append("level=").append(to_string(level)).append(" event=") += plain(event);
    append_plain(line, {}, fields);
    return line;
}

std::string as_json(std::string_view time, Level level, std::string_view event,
                    const Fields& fields) {
    std::string line = "{";
    if (!time.empty()) line.append("\"time\":\"").append(time) += "\",";
    line.append("\"level\":\"").append(to_string(level)).append("\",\"event\":\"") += plain(event);
    line += '"';
    if (!fields.empty()) line += ',' + json_members(fields);
    return line + '}';
}

}  // namespace

std::string format(Format format, std::string_view time, Level level, std::string_view event,
                   const Fields& fields) {
    switch (format) {
        case Format::json:
            return as_json(time, level, event, fields);
        case Format::logfmt:
            return as_logfmt(time, level, event, fields);
        case Format::text:
            break;
    }
    return as_text(time, level, event, fields);
}

void install(std::shared_ptr<Sink> sink, Level lowest) noexcept {
    state().sink = std::move(sink);
    set_lowest(lowest);
}

void set_lowest(Level lowest) noexcept { state().lowest.store(lowest, std::memory_order_relaxed); }

bool enabled(Level level) noexcept {
    return state().sink != nullptr && level >= state().lowest.load(std::memory_order_relaxed);
}

void emit(Level level, std::string_view event, const Fields& fields) {
    if (enabled(level)) state().sink->write(level, event, fields);
}

std::string_view to_string(Level level) noexcept {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::warn:
            return "warn";
        case Level::error:
            break;
    }
    return "error";
}

}  // namespace waxseal::log
