// Readers for the rows about who a message is from and to, which several sections have: patterns of
// senders and of recipients, and the rule that puts another sender in place of the device's.
#pragma once

#include "config/readers.hpp"

namespace waxseal::config {

template <auto Member>
void read_senders(const Given& given, Owner<Member>& target) {
    (target.*Member).clear();
    read_list(given, "a list of senders", [&](const Value& value, const std::string& text) {
        auto sender = parse_sender(text);
        if (!sender) return given.fail_at(value.place, sender.error());
        (target.*Member).push_back(*std::move(sender));
    });
    if (empty_list(given)) given.fail("is empty, so no sender would do; remove it for any");
}

template <auto Member>
void read_recipients(const Given& given, Owner<Member>& target) {
    (target.*Member).clear();
    read_list(given, "a list of recipients", [&](const Value& value, const std::string& text) {
        auto recipient = parse_recipient(text);
        if (!recipient) return given.fail_at(value.place, recipient.error());
        (target.*Member).push_back(*std::move(recipient));
    });
    if (empty_list(given)) given.fail("is empty, so nobody could get mail; remove it for anybody");
}

// What one row of three sections says of it.
inline constexpr std::string_view sender_rule_type =
    "{ envelope = address, header = keep | rewrite, when = always | foreign }";
inline constexpr std::string_view sender_rule_example =
    R"({ envelope = "scanner@example.com", header = "keep", when = "always" })";

// sender = { envelope = "a@b.example" }, as well with header and when. Nothing when it is wrong.
[[nodiscard]] SenderRule sender_rule(const Given& given);

template <auto Member>
void read_sender_rule(const Given& given, Owner<Member>& target) {
    target.*Member = sender_rule(given);
}

// An entry of the table that a rule was written as; null when it has no such key.
[[nodiscard]] const Entry* part_of(const Entry& rule, std::string_view key);

}  // namespace waxseal::config
