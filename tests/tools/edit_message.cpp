// Edits one message: standard input to standard output; on standard error one line, the repairs
// with commas between, or untouched=WHY. For tests that judge with other means than ours.
//
//   edit_message [--from ADDR] [--sender ADDR] [--own-domain DOMAIN]... [--received TEXT]
//                [--date DATE] [--message-id ID] [--charset NAME] [--utf8] [--fold-body]
//                [--no-repair] [--chunk N]
//
// Exit codes: 0, 64 (usage).
#include <array>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/number.hpp"
#include "message/header_editor.hpp"

using namespace waxseal;

namespace {

struct Options {
    message::Edits edits;
    std::size_t chunk = 16384;
};

// Whether all of the command line was understood.
bool read(const std::vector<std::string>& arguments, Options& options) {
    message::Edits& edits = options.edits;
    const std::map<std::string_view, std::function<void()>> flags{
        {"--utf8", [&] { edits.utf8_headers = true; }},
        {"--fold-body", [&] { edits.fold_body = true; }},
        {"--no-repair", [&] { edits.repair = false; }},
    };
    const std::map<std::string_view, std::function<void(const std::string&)>> values{
        {"--from", [&](auto& value) { edits.from = value; }},
        {"--sender", [&](auto& value) { edits.sender = value; }},
        {"--received", [&](auto& value) { edits.received = value; }},
        {"--date", [&](auto& value) { edits.date = value; }},
        {"--message-id", [&](auto& value) { edits.message_id = value; }},
        {"--charset", [&](auto& value) { edits.legacy_charset = value; }},
        {"--chunk",
         [&](auto& value) { options.chunk = text::number<std::size_t>(value).value_or(0); }},
        {"--own-domain",
         [&](auto& value) {
             if (!edits.own_domains) edits.own_domains.emplace();
             edits.own_domains->push_back(value);
         }},
    };
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (const auto flag = flags.find(arguments[i]); flag != flags.end()) {
            flag->second();
            continue;
        }
        const auto value = values.find(arguments[i]);
        if (value == values.end() || i + 1 == arguments.size()) return false;
        value->second(arguments[++i]);
    }
    return options.chunk > 0 && message::known_charset(edits.legacy_charset);
}

void write(std::string_view octets) {
    if (!octets.empty()) std::fwrite(octets.data(), 1, octets.size(), stdout);
}

std::string report(const message::HeaderEditor& editor) {
    if (!editor.untouched().empty()) return "untouched=" + std::string(editor.untouched());
    std::string line;
    for (const std::string_view name : editor.repairs().names())
        line.append(line.empty() ? "" : ",").append(name);
    return line;
}

}  // namespace

int main(int count, char** arguments) {
    Options options;
    options.edits.date = "Sat, 28 Nov 2026 19:30:00 +0000";
    options.edits.message_id = "<1@waxseal.example>";
    if (!read({arguments + 1, arguments + count}, options)) {
        std::fputs("edit_message: see the head of edit_message.cpp\n", stderr);
        return 64;
    }
    message::HeaderEditor editor(options.edits);
    std::vector<char> piece(options.chunk);
    while (const std::size_t size = std::fread(piece.data(), 1, piece.size(), stdin))
        write(editor.edit({piece.data(), size}));
    write(editor.finish());
    std::fprintf(stderr, "%s\n", report(editor).c_str());
    return 0;
}
