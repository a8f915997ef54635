// Whose address From and Sender may bear, where the provider wants its own.
//
// RFC 5322 3.6.2: what was in From is where replies belong, and so goes to Reply-To.
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
    // What the body of a From or Sender field has to become, with the display name of the first
    // mailbox; nothing: it may stay.
    [[nodiscard]] std::optional<std::string> rewritten(std::string_view body) const;

  private:
    [[nodiscard]] bool is_sender(std::string_view address) const;
    [[nodiscard]] bool is_own(std::string_view address) const;

    const std::string& sender_;
    const std::optional<std::vector<std::string>>& own_domains_;
};

// Whether a body is a list of at least one mailbox, and nothing else.
[[nodiscard]] bool lists_mailboxes(std::string_view body);

}  // namespace waxseal::message
