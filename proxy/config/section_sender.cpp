// The keys of a sender rule: a table inside [[listen]], [[user]] and [[upstream]], written as one
// value or under a heading of its own.
#include <algorithm>

#include "config/mail_readers.hpp"

namespace waxseal::config {
namespace {

constexpr std::array headers{Word{"keep", false}, Word{"rewrite", true}};
constexpr std::array occasions{Word{"always", false}, Word{"foreign", true}};

void read_envelope(const Given& given, SenderRule& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    auto mailbox = parse_mailbox(*text);
    if (!mailbox) return given.fail(mailbox.error());
    target.envelope = *std::move(mailbox);
}

constexpr std::array rows{
    Key<SenderRule>{"envelope", "address", R"("scanner@example.com")", "required", "",
                    read_envelope},
    Key<SenderRule>{"header", "keep | rewrite", R"("keep")", "", "",
                    read_choice<&SenderRule::header, headers>},
    Key<SenderRule>{"when", "always | foreign", R"("always")", "", "",
                    read_choice<&SenderRule::foreign, occasions>},
};

}  // namespace

SenderRule sender_rule(const Given& given) {
    constexpr std::string_view least = R"(sender = { envelope = "scanner@example.com" })";
    const Value& value = given.entry.value;
    if (value.kind != Value::Kind::table) {
        given.fail("must be a table; write " + std::string(least));
        return {};
    }
    Draft<SenderRule> draft;
    read_table({value.place, value.entries}, std::string(given.section) + " sender",
               std::span<const Key<SenderRule>>(rows), draft, given.problems);
    if (!draft.has("envelope"))
        given.fail("does not say which sender; write " + std::string(least));
    return draft.value;
}

const Entry* part_of(const Entry& rule, std::string_view key) {
    const auto found = std::ranges::find(rule.value.entries, key, &Entry::key);
    return found == rule.value.entries.end() ? nullptr : &*found;
}

}  // namespace waxseal::config
