// What a dialog sets before it begins (script.hpp), made into the settings of a World; and what was
// logged, as a dialog looks at it.
#pragma once

#include <string_view>

#include "dialogs/script.hpp"
#include "unit/support/world.hpp"

namespace waxseal::dialogs {

// Without an end, or something that is no number: std::invalid_argument.
[[nodiscard]] std::uint64_t number(std::string_view text);

// The octets with which a device begins TLS; the rest of a handshake is not played.
inline constexpr std::string_view client_hello = "\x16\x03\x01 ClientHello";

// What has to be known before there is a World.
[[nodiscard]] testing::ScriptedUpstream::Options upstream_options(const Script& script);

// All of the script's settings; throws Wrong.
void set_up(testing::World& world, const Script& script);

// "EVENT", or "EVENT key~regex": such an event was logged, and its field, or one of that name in a
// record in it, has the regex in it (a list: joined by commas).
[[nodiscard]] bool logged(const testing::LogCapture& log, std::string_view what);

}  // namespace waxseal::dialogs
