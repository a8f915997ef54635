// SASL with an OAuth access token: OAUTHBEARER (RFC 7628) and XOAUTH2, its older sibling.
//
// Both say everything in one message, which may travel with the command or answer the first
// challenge. A server that refuses the token does not say so at once: it sends its reason as a
// challenge, waits for an empty answer (XOAUTH2) or a lone ^A (RFC 7628 3.2.3), and only then
// refuses. Who does not know that waits for ever.
#include <utility>

#include "smtp/sasl_mechanisms.hpp"

namespace waxseal::smtp {

namespace {

class Bearer final : public SaslClient {
  public:
    Bearer(std::string_view name, std::string message, std::string_view farewell)
        : name_(name), message_(Secret::adopt(std::move(message))), farewell_(farewell) {}
    std::string_view mechanism() const noexcept override { return name_; }
    // A copy: a server that does not take it with the command asks for it once more.
    std::optional<Secret> initial_response() override {
        due_ = Due::verdict;
        return message_.clone();
    }
    std::expected<Secret, Error> respond(std::string_view challenge) override {
        if (due_ == Due::message) {
            due_ = Due::verdict;
            return std::move(message_);
        }
        if (due_ == Due::verdict && challenge.empty() && !message_.empty())
            return std::move(message_);
        if (due_ == Due::verdict) {
            due_ = Due::nothing;
            message_.wipe();
            complaint_ = sasl_complaint(challenge);
            return Secret(farewell_);
        }
        return std::unexpected(Error{"the server asks again after it has refused the token"});
    }
    // A 235 after a refusal would be a contradiction.
    bool finished() const noexcept override { return due_ == Due::verdict; }
    std::string_view complaint() const noexcept override { return complaint_; }

  private:
    enum class Due { message, verdict, nothing };
    std::string_view name_;
    Secret message_;  // empty once it has answered a challenge
    std::string_view farewell_;
    std::string complaint_;
    Due due_ = Due::message;
};

// `head`, then the token as RFC 6750 2.1 has it, then the two ^A that end both messages. One
// allocation, so that no copy of the token stays behind.
std::string bearer_message(std::string_view head, const Secret& token) {
    constexpr std::string_view scheme = "auth=Bearer ";
    constexpr std::string_view end = "\x01\x01";
    std::string message;
    message.reserve(head.size() + scheme.size() + token.reveal().size() + end.size());
    message.append(head).append(scheme).append(token.reveal()).append(end);
    return message;
}

}  // namespace

std::unique_ptr<SaslClient> make_xoauth2(const Credentials& credentials, const SaslContext&) {
    return std::make_unique<Bearer>(
        "XOAUTH2", bearer_message("user=" + credentials.username + '\x01', credentials.token), "");
}

std::unique_ptr<SaslClient> make_oauthbearer(const Credentials& credentials,
                                             const SaslContext& context) {
    std::string head = "n,a=" + sasl_name(credentials.username) + ",\x01";
    if (!context.host.empty()) head += "host=" + std::string(context.host) + '\x01';
    if (context.port != 0) head += "port=" + std::to_string(context.port) + '\x01';
    return std::make_unique<Bearer>("OAUTHBEARER", bearer_message(head, credentials.token), "\x01");
}

}  // namespace waxseal::smtp
