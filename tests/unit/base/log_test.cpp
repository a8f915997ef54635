// The log facade: each format, and that no value can end a line, hide in it or make it endless.
#include "base/log.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"

using namespace waxseal;
using log::Format;
using log::Level;

namespace {

constexpr std::string_view noon = "2026-11-23T10:00:00.000Z";

std::string as_text(const log::Fields& fields) {
    return log::format(Format::text, {}, Level::info, "e", fields);
}
std::string as_logfmt(const log::Fields& fields) {
    return log::format(Format::logfmt, {}, Level::info, "e", fields);
}
nlohmann::json json(const log::Fields& fields) {
    return nlohmann::json::parse(log::format(Format::json, {}, Level::info, "e", fields));
}

struct Collect : log::Sink {
    std::vector<std::string> lines;
    void write(Level level, std::string_view event, const log::Fields& fields) noexcept override {
        lines.push_back(log::format(Format::text, {}, level, event, fields));
    }
};

// The sink is the process's: no test may leave its own behind.
struct Installed {
    std::shared_ptr<Collect> sink = std::make_shared<Collect>();
    explicit Installed(Level lowest) { log::install(sink, lowest); }
    ~Installed() { log::install(nullptr, Level::info); }
};

}  // namespace

TEST_CASE("the three formats of one event") {
    const log::Fields fields{
        {"session", "7F3A"}, {"ms", 12}, {"to", std::vector<std::string>{"a@b", "c@d"}}};
    CHECK(log::format(Format::text, noon, Level::info, "session_end", fields) ==
          "2026-11-23T10:00:00.000Z info  session_end session=7F3A ms=12 to=a@b,c@d");
    CHECK(
        log::format(Format::logfmt, noon, Level::warn, "session_end", fields) ==
        "time=2026-11-23T10:00:00.000Z level=warn event=session_end session=7F3A ms=12 to=a@b,c@d");
    CHECK(
        log::format(Format::json, noon, Level::error, "session_end", fields) ==
        R"({"time":"2026-11-23T10:00:00.000Z","level":"error","event":"session_end","session":"7F3A","ms":12,"to":["a@b","c@d"]})");
}

TEST_CASE("without a time, and with every level in its column") {
    CHECK(log::format(Format::text, {}, Level::debug, "e", {}) == "debug e");
    CHECK(log::format(Format::text, {}, Level::info, "e", {}) == "info  e");
    CHECK(log::format(Format::text, {}, Level::warn, "e", {}) == "warn  e");
    CHECK(log::format(Format::text, {}, Level::error, "e", {}) == "error e");
    CHECK(log::format(Format::logfmt, {}, Level::info, "e", {}) == "level=info event=e");
    CHECK(log::format(Format::json, {}, Level::info, "e", {}) == R"({"level":"info","event":"e"})");
}

TEST_CASE("a value that a reader could not tell the end of is quoted") {
    CHECK(as_text({{"k", "two words"}}) == "info  e k=\"two words\"");
    CHECK(as_text({{"k", ""}}) == "info  e k=\"\"");
    CHECK(as_text({{"k", "a=b"}}) == "info  e k=\"a=b\"");
    CHECK(as_text({{"k", "say \"hi\""}}) == R"(info  e k="say \"hi\"")");
    CHECK(as_text({{"k", R"(a" level=error)"}}) == R"(info  e k="a\" level=error")");
    // A backslash at the end must not swallow the closing quote.
    CHECK(as_text({{"k", "a b\\"}}) == R"(info  e k="a b\\")");
    CHECK(as_logfmt({{"k", std::vector<std::string>{"a b", "c"}}}) ==
          "level=info event=e k=\"a b,c\"");
    CHECK(as_logfmt({{"k", std::vector<std::string>{}}}) == "level=info event=e k=\"\"");
}

TEST_CASE("no value can end or disturb a line") {
    const std::vector<std::string> nasty{"a\r\n2026-11-23T10:00:00.000Z info  auth ok=1",
                                         "\x1b[2J",
                                         "\x07",
                                         "\xE2\x80\xAE"
                                         "txt.exe",
                                         "\xC2\x9B"
                                         "2J",
                                         "\xFF\xFE",
                                         std::string("a\0b", 3),
                                         "\x7F"};
    for (const std::string& value : nasty) {
        for (const Format format : {Format::text, Format::logfmt, Format::json}) {
            const std::string line =
                log::format(format, noon, Level::info, "e",
                            {{"k", value}, {"l", std::vector<std::string>{value}}});
            for (const char c : line) {
                CAPTURE(line);
                CHECK(static_cast<unsigned char>(c) >= 0x20);
                CHECK(static_cast<unsigned char>(c) != 0x7F);
            }
            CHECK(line.find("\xE2\x80\xAE") == std::string::npos);
            CHECK(line.find("\xC2\x9B") == std::string::npos);
            CHECK(text::valid_utf8(line));
        }
    }
}

TEST_CASE("formats and templates in a value are only text") {
    CHECK(as_text({{"k", "%s%n{}${jndi:x}"}}) == "info  e k=%s%n{}${jndi:x}");
    CHECK(json({{"k", "%s%n{}"}})["k"] == "%s%n{}");
}

TEST_CASE("json keeps what is valid and replaces what is not") {
    CHECK(json({{"k", "grüße \"x\"\n"}})["k"] == "grüße \"x\"\n");
    CHECK(json({{"k",
                 "a\xFF"
                 "b"}})["k"] ==
          "a\xEF\xBF\xBD"
          "b");
    CHECK(json({{"n", std::int64_t{-5}}})["n"] == -5);
    CHECK(json({{"l", std::vector<std::string>{}}})["l"].empty());
}

TEST_CASE("values and lists are cut, and in the json not within a character") {
    const std::string megabyte(1'000'000, 'x');
    CHECK(as_text({{"k", megabyte}}).size() < 600);
    CHECK(json({{"k", megabyte}})["k"].get<std::string>() == std::string(512, 'x') + "…");
    const std::string odd = "a" + [] {
        std::string umlauts;
        for (int i = 0; i < 1000; ++i) umlauts += "ü";
        return umlauts;
    }();
    const auto cut = json({{"k", odd}})["k"].get<std::string>();
    CHECK(cut.ends_with("ü…"));
    CHECK(cut.size() == 511 + std::string_view("…").size());

    const std::vector<std::string> many(1000, "a@b");
    CHECK(json({{"k", many}})["k"].size() == 101);
    CHECK(json({{"k", many}})["k"][100] == "… 900 more");
    CHECK(as_text({{"k", many}}).ends_with(",a@b,… 900 more\""));
    CHECK(json({{"k", std::vector<std::string>(100, "a")}})["k"].size() == 100);
}

TEST_CASE("keys and event names cannot break a line either") {
    CHECK(log::format(Format::text, {}, Level::info, "a b\n", {{"k =", "v"}}) ==
          "info  a_b_ k__=v");
    CHECK(log::format(Format::logfmt, {}, Level::info, "", {{"", "v"}}) ==
          "level=info event=_ _=v");
}

TEST_CASE("the lowest level decides, and a sink that is gone is asked nothing") {
    {
        const Installed installed(Level::warn);
        CHECK_FALSE(log::enabled(Level::info));
        CHECK(log::enabled(Level::warn));
        log::debug("a");
        log::info("b");
        log::warn("c", {{"k", 1}});
        log::error("d");
        log::set_lowest(Level::debug);
        log::debug("e");
        CHECK(installed.sink->lines ==
              std::vector<std::string>{"warn  c k=1", "error d", "debug e"});
    }
    CHECK_FALSE(log::enabled(Level::error));
    log::error("nobody listens");
}
