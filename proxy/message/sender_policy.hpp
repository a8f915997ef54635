// Whose address From and Sender may bear, where the provider wants its own.
//
// RFC 5322 3.6.2: what was in From is where replies belong, and so goes to Reply-To. What may stay
// is judged as it goes out, after its repair, and strictly (mailbox.hpp): no reader is to find
// another address in it than we do.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace waxseal::message {

class SenderPolicy {
  public:
    // As in Edits. An empty sender: nothing is ever rewritten.
    SenderPolicy(const std::string& sender,
                 const std::optional<std::vector<std::string>>& own_domains)
        : sender_(sender), own_domains_(own_domains) {}

    [[nodiscard]] bool rewrites() const noexcept { return !sender_.empty(); }
    // Whether the body of a From or Sender field is one mailbox that may be there.
    [[nodiscard]] bool may_stay(std::string_view body) const;

  private:
    [[nodiscard]] bool is_sender(std::string_view address) const;
    [[nodiscard]] bool is_own(std::string_view address) const;

    const std::string& sender_;
    const std::optional<std::vector<std::string>>& own_domains_;
};

// The display name of the first mailbox, as it is written.
[[nodiscard]] std::string_view first_name(std::string_view body);

// What of a From that is rewritten is to stand in Reply-To: all of it, if it lists mailboxes and
// nothing else; or its only address (mailbox.hpp, as_addr_spec). Empty: nothing can.
[[nodiscard]] std::string reply_to(std::string_view from, std::string_view repaired);

}  // namespace waxseal::message
