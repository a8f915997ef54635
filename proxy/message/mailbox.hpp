// Whether a text is one mailbox in the plain form that all readers understand alike. The
// counterpart of addresses.hpp, which makes the best of what devices write: here what is doubtful
// is none.
//
// RFC 5322 3.2.3, 3.2.4, 3.4, without what is obsolete but for "." in a phrase; of comments only
// one at the end, and nothing in it that could be an address.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace waxseal::message {

// Dot-atom or quoted-string, one "@", dot-atom or literal; no comments, no white space outside of
// quotes. UTF-8 where it is printable.
[[nodiscard]] bool is_addr_spec(std::string_view text);

// The addr-spec that such a text can only be meant as: itself, or with quotes around a local part
// of atoms and dots in whatever order ("host.@example.com"); empty: none.
[[nodiscard]] std::string as_addr_spec(std::string_view text);

// The addr-spec of a text, unfolded, that is one mailbox and nothing else.
[[nodiscard]] std::optional<std::string_view> only_mailbox(std::string_view text);

}  // namespace waxseal::message
