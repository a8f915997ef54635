// What the configuration says of messages, made into what relay, auth and upstream work with. What
// is wrong with it is found here too, for `check` as for a start.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/address_pattern.hpp"
#include "auth/sender_rule.hpp"
#include "base/error.hpp"
#include "config/config.hpp"
#include "relay/message_policy.hpp"

namespace waxseal::app {

// `place` begins the errors: "[[user]] printer".
[[nodiscard]] std::vector<auth::AddressPattern> make_patterns(const std::vector<std::string>& texts,
                                                              std::string_view place,
                                                              std::vector<Error>& errors);
// Nothing where there is no rule.
[[nodiscard]] std::optional<auth::SenderRule> make_sender_rule(
    const config::SenderRule& rule, const std::vector<std::string>& own_domains,
    std::string_view place, std::vector<Error>& errors);
[[nodiscard]] relay::MessagePolicy make_policy(const config::Config& config,
                                               const config::Listen& listen,
                                               std::vector<Error>& errors);

}  // namespace waxseal::app
