// From TOML to plain values; the only file that includes toml++, and the only one in which an
// exception can arise.
#include "config/document.hpp"

#include <algorithm>

namespace waxseal::config {
namespace {
// toml++ 3.3 trips over its own assertions on some texts that are no TOML, "[[.a" for one. These
// become an exception, in every build: in a library built without assertions they are assumptions.
struct Unparsable {};
[[noreturn]] void throw_unparsable() { throw Unparsable(); }
}  // namespace
}  // namespace waxseal::config

// Hence our own copy of the parser, which is also the one that is fuzzed.
#undef TOML_SHARED_LIB
#undef TOML_HEADER_ONLY
#define TOML_HEADER_ONLY 1
#define TOML_ASSERT(condition) \
    ((condition) ? static_cast<void>(0) : ::waxseal::config::throw_unparsable())
#include <toml++/toml.h>

#include "base/text.hpp"
#include "config/nesting.hpp"

namespace waxseal::config {
namespace {

class Converter {
  public:
    explicit Converter(const std::string& source) : source_(source) {}

    [[nodiscard]] Section section(const toml::key& key, const toml::node& node) const {
        Section result;
        result.name = std::string(key.str());
        result.place = at(key.source());
        if (const auto* table = node.as_table()) {
            result.kind = Section::Kind::single;
            result.tables.push_back(this->table(*table, result.place));
        } else if (const auto* array = node.as_array(); array != nullptr && only_tables(*array)) {
            result.kind = Section::Kind::repeated;
            for (const toml::node& element : *array) {
                result.tables.push_back(this->table(*element.as_table(), result.place));
            }
        }
        return result;
    }

  private:
    [[nodiscard]] Place at(const toml::source_region& region) const {
        return {source_, region.begin.line, region.begin.column};
    }

    static bool only_tables(const toml::array& array) {
        return std::ranges::all_of(array,
                                   [](const toml::node& element) { return element.is_table(); });
    }

    [[nodiscard]] Table table(const toml::table& from, const Place& otherwise) const {
        Table result;
        result.place = from.source().begin.line > 0 ? at(from.source()) : otherwise;
        for (auto&& [key, node] : from) {
            result.entries.push_back({std::string(key.str()), at(key.source()), value(node)});
        }
        return result;
    }

    [[nodiscard]] Value value(const toml::node& node) const {
        Value result;
        result.place = at(node.source());
        if (const auto* text = node.as_string()) {
            result.kind = Value::Kind::string;
            result.text = text->get();
        } else if (const auto* number = node.as_integer()) {
            result.kind = Value::Kind::integer;
            result.number = number->get();
        } else if (const auto* flag = node.as_boolean()) {
            result.kind = Value::Kind::boolean;
            result.flag = flag->get();
        } else if (const auto* array = node.as_array()) {
            result.kind = Value::Kind::list;
            for (const toml::node& element : *array) result.items.push_back(value(element));
        } else {
            result.text = node.is_table()            ? "a table"
                          : node.is_floating_point() ? "a number with a fraction"
                                                     : "a date or time";
        }
        return result;
    }

    const std::string& source_;
};

std::string_view line_of(std::string_view text, unsigned line) {
    for (; line > 1; --line) {
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos) return {};
        text.remove_prefix(end + 1);
    }
    return text.substr(0, text.find('\n'));
}

// The commonest slip: `address = smtp.example.com:465`. The value itself is not repeated: it may be
// a secret.
std::string quotes_hint(std::string_view line) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return {};
    const std::string_view key = text::trim(line.substr(0, equals));
    const std::string_view value = text::trim(line.substr(equals + 1));
    const bool bare = std::ranges::all_of(key, [](char c) { return text::alnum(c) || c == '_'; });
    if (key.empty() || !bare || value.empty() || std::string_view("\"'[{=").contains(value[0]))
        return {};
    return "; a text needs quotes: " + std::string(key) + " = \"…\"";
}

std::string advice(std::string_view description, std::string_view line) {
    if (description.contains("cannot redefine")) return "; remove one of the two";
    return quotes_hint(line);
}

// The assertion does not say where, but a part of the text that ends before it does not fail it.
unsigned unparsable_line(std::string_view text) {
    const auto unparsable = [](std::string_view part) {
        try {
            static_cast<void>(toml::parse(part));
        } catch (const toml::parse_error&) {
            return false;
        } catch (const Unparsable&) {
            return true;
        }
        return false;
    };
    std::vector<std::size_t> ends;
    for (std::size_t end = text.find('\n'); end != std::string_view::npos;
         end = text.find('\n', end + 1)) {
        ends.push_back(end);
    }
    const auto line = std::ranges::partition_point(
        ends, [&](std::size_t end) { return !unparsable(text.substr(0, end)); });
    return static_cast<unsigned>(line - ends.begin()) + 1;
}

}  // namespace

std::expected<Document, SyntaxError> parse_document(std::string_view text,
                                                    const std::string& source) {
    if (const auto nested = excessive_nesting(text)) {
        return std::unexpected(SyntaxError{{source, nested->line, nested->column}, nested->text});
    }
    try {
        const toml::table root = toml::parse(text, std::string_view(source));
        Document document;
        const Converter converter(source);
        for (auto&& [key, node] : root) document.push_back(converter.section(key, node));
        return document;
    } catch (const toml::parse_error& error) {
        const auto place = error.source().begin;
        return std::unexpected(
            SyntaxError{{source, place.line, place.column},
                        "this is not TOML: " + std::string(error.description()) +
                            advice(error.description(), line_of(text, place.line))});
    } catch (const Unparsable&) {
        return std::unexpected(
            SyntaxError{{source, unparsable_line(text), 1},
                        "this is not TOML: a key, a value or a [section] was expected"});
    }
}

}  // namespace waxseal::config
