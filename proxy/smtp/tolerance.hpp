// Where a listener for devices reads what the grammar does not have. Everything is brought into the
// form that the strict parsers take, or left alone, and then parsed by them: so nothing tolerated
// here travels, and what is not unambiguous is refused in their words. Pure.
//
// Sources: what printers, scanners and old programs send (one dialog in tests/dialogs for each);
// Postfix's strict_rfc821_envelopes = no and smtpd_command_filter. Each repair is named in the
// caller's Repairs.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/repairs.hpp"
#include "smtp/path.hpp"

namespace waxseal::smtp {

enum class Reading : std::uint8_t {
    strict,    // the grammar of RFC 5321, and pipelining as RFC 2920 3.2 asks of a server
    tolerant,  // and what can only have been meant one way
};

// Empty command lines in a row that are passed over.
inline constexpr unsigned tolerated_blank_lines = 5;

// A command line in place: white space before the verb goes, tabs become spaces.
void tidy_command(std::string& line, Repairs& repairs);
// An AUTH response: white space around it goes.
[[nodiscard]] std::string_view tidy_response(std::string_view line) noexcept;

// after_keyword(), and spaces before the colon.
[[nodiscard]] std::optional<std::string_view> read_keyword(std::string_view argument,
                                                           std::string_view keyword,
                                                           Repairs& repairs) noexcept;

// parse_path(), and beyond it: spaces before it; no brackets, or one of them; white space in them;
// a display name, quotes or more brackets around one address; a local part that needs quotes and
// has none
// ("host.@example.com"); a reverse-path without a domain, which gets `own_domain`. `rest` of the
// result is a view into `text`.
[[nodiscard]] std::expected<ParsedPath, PathError> read_path(std::string_view text, PathKind kind,
                                                             std::string_view own_domain,
                                                             Repairs& repairs);

// ESMTP parameters without those that are nothing to anybody: keywords that no extension of ours
// has, a SIZE that is no number, a BODY that is no known one, an AUTH that is no mailbox. What
// promises the sender something (REQUIRETLS, HOLDFOR, BY …) stays, and is refused.
[[nodiscard]] std::string keep_parameters(std::string_view text, PathKind kind, Repairs& repairs);

// Another name of a mechanism: MS-XLOGIN is LOGIN. (Exchange 5.5, and devices of its time.)
[[nodiscard]] std::string_view mechanism_meant(std::string_view name) noexcept;

}  // namespace waxseal::smtp
