// What was done for a device that does not keep to the rules, as the log names it: one list for
// commands (smtp), message (message) and policy (relay), so that `repairs` in a log line means the
// same everywhere. A Repairs is a set; pure values.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace waxseal {

enum class Repair : std::uint8_t {
    // Commands: smtp/tolerance.hpp.
    blank_line,          // an empty line where a command should be was passed over
    leading_space,       // before a verb
    bare_lf_command,     // a command ended in LF
    no_hello_name,       // EHLO or HELO without a name
    no_hello_after_tls,  // after STARTTLS no EHLO was said again
    space_around_colon,  // "MAIL FROM: <a@b>"
    no_brackets,         // a path without its angle brackets, or with one of them
    path_extracted,      // display name, quotes or a second pair of brackets around an address
    local_part_quoted,   // a local part that is legal only as a quoted string
    unqualified_sender,  // a reverse-path without domain got ours
    parameter_dropped,   // an unknown or senseless ESMTP parameter
    pipelined,           // the message came before the answer to DATA
    // Line ends of the message: smtp/data.hpp.
    bare_lf,
    bare_cr,
    // The header: message/header_editor.hpp.
    mbox_from,           // "From a@b Mon …" before the first field was dropped
    no_separator,        // the empty line between header and body was missing
    space_before_colon,  // "Subject : x"
    blank_fold,          // a continuation line of nothing but white space was dropped
    empty_field,         // a field without a body, beside one that has what may be there once
    no_date,
    no_message_id,
    no_from,
    name_quoted,       // a display name with "@" or other specials in it, or no <…> behind one
    eight_bit_header,  // became RFC 2047 words (or RFC 2231 parameters)
    header_folded,     // a line above 998 octets
    body_folded,
    // Policy: relay.
    envelope_rewritten,
    from_rewritten,
    sender_rewritten,
    reply_to_added,
};

inline constexpr std::array repair_names{
    std::string_view("blank_line"),
    std::string_view("leading_space"),
    std::string_view("bare_lf_command"),
    std::string_view("no_hello_name"),
    std::string_view("no_hello_after_tls"),
    std::string_view("space_around_colon"),
    std::string_view("no_brackets"),
    std::string_view("path_extracted"),
    std::string_view("local_part_quoted"),
    std::string_view("unqualified_sender"),
    std::string_view("parameter_dropped"),
    std::string_view("pipelined"),
    std::string_view("bare_lf"),
    std::string_view("bare_cr"),
    std::string_view("mbox_from"),
    std::string_view("no_separator"),
    std::string_view("space_before_colon"),
    std::string_view("blank_fold"),
    std::string_view("empty_field"),
    std::string_view("no_date"),
    std::string_view("no_message_id"),
    std::string_view("no_from"),
    std::string_view("name_quoted"),
    std::string_view("eight_bit_header"),
    std::string_view("header_folded"),
    std::string_view("body_folded"),
    std::string_view("envelope_rewritten"),
    std::string_view("from_rewritten"),
    std::string_view("sender_rewritten"),
    std::string_view("reply_to_added"),
};
static_assert(repair_names.size() == static_cast<std::size_t>(Repair::reply_to_added) + 1);

class Repairs {
  public:
    constexpr void add(Repair repair) noexcept { bits_ |= bit(repair); }
    constexpr void add(Repairs others) noexcept { bits_ |= others.bits_; }
    [[nodiscard]] constexpr bool has(Repair repair) const noexcept {
        return (bits_ & bit(repair)) != 0;
    }
    [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
    [[nodiscard]] constexpr Repairs take() noexcept { return std::exchange(*this, {}); }
    // In the order of the enumeration.
    [[nodiscard]] std::vector<std::string_view> names() const {
        std::vector<std::string_view> all;
        for (std::size_t i = 0; i < repair_names.size(); ++i)
            if (has(static_cast<Repair>(i))) all.push_back(repair_names[i]);
        return all;
    }
    friend constexpr bool operator==(Repairs, Repairs) = default;

  private:
    [[nodiscard]] static constexpr std::uint32_t bit(Repair repair) noexcept {
        return std::uint32_t{1} << static_cast<unsigned>(repair);
    }
    std::uint32_t bits_ = 0;
};

}  // namespace waxseal
