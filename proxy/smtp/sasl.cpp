// SASL, client side: three mechanisms, and the choice between them.
//
// Each exchange answers as many challenges as its mechanism has, and no more: a server that keeps
// asking gets "*" and not the password again. What a challenge says is not looked at where servers
// are known to differ ("Username:", "User Name", an encoded NUL): the order is the protocol.
#include "smtp/sasl.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace waxseal::smtp {

namespace {

std::unexpected<Error> error(std::string text) { return std::unexpected(Error{std::move(text)}); }

// RFC 4616: everything in one message, which may travel with the command or answer the first
// challenge.
class Plain final : public SaslClient {
  public:
    Plain(const Credentials& credentials, HmacMd5) {
        std::string message = '\0' + credentials.username + '\0';
        message.reserve(message.size() + credentials.password.reveal().size());
        message += credentials.password.reveal();
        message_ = Secret::adopt(std::move(message));
    }
    std::string_view mechanism() const noexcept override { return "PLAIN"; }
    // A copy: a server that does not take it with the command asks for it once more.
    std::optional<Secret> initial_response() override {
        finished_ = true;
        return message_.clone();
    }
    std::expected<Secret, Error> respond(std::string_view) override {
        if (message_.empty()) return error("the server asks again after PLAIN was answered");
        finished_ = true;
        return std::move(message_);
    }
    bool finished() const noexcept override { return finished_; }

  private:
    Secret message_;  // empty once it has answered a challenge
    bool finished_ = false;
};

// draft-murchison-sasl-login: the server asks for the name, then for the password.
class Login final : public SaslClient {
  public:
    Login(const Credentials& credentials, HmacMd5) : credentials_(credentials.clone()) {}
    std::string_view mechanism() const noexcept override { return "LOGIN"; }
    std::optional<Secret> initial_response() override { return std::nullopt; }
    std::expected<Secret, Error> respond(std::string_view) override {
        switch (due_) {
            case Due::username:
                due_ = Due::password;
                return Secret(credentials_.username);
            case Due::password:
                due_ = Due::nothing;
                return std::move(credentials_.password);
            case Due::nothing:
                break;
        }
        return error("the server asks again after LOGIN was answered");
    }
    bool finished() const noexcept override { return due_ == Due::nothing; }

  private:
    enum class Due { username, password, nothing };
    Credentials credentials_;
    Due due_ = Due::username;
};

// RFC 2195: the name, a space, and the HMAC of the challenge in hexadecimal.
class CramMd5 final : public SaslClient {
  public:
    CramMd5(const Credentials& credentials, HmacMd5 hmac)
        : credentials_(credentials.clone()), hmac_(hmac) {}
    std::string_view mechanism() const noexcept override { return "CRAM-MD5"; }
    std::optional<Secret> initial_response() override { return std::nullopt; }
    std::expected<Secret, Error> respond(std::string_view challenge) override {
        if (answered_) return error("the server asks again after CRAM-MD5 was answered");
        if (challenge.empty()) return error("the server's CRAM-MD5 challenge is empty");
        answered_ = true;
        constexpr std::string_view digits = "0123456789abcdef";
        std::string answer = credentials_.username + ' ';
        for (const char c : hmac_(credentials_.password.reveal(), challenge)) {
            const auto octet = static_cast<unsigned char>(c);
            answer += digits[octet >> 4];
            answer += digits[octet & 0x0F];
        }
        credentials_.password.wipe();
        return Secret::adopt(std::move(answer));
    }
    bool finished() const noexcept override { return answered_; }

  private:
    Credentials credentials_;
    HmacMd5 hmac_;
    bool answered_ = false;
};

using Make = std::unique_ptr<SaslClient> (*)(const Credentials&, HmacMd5);

template <typename Mechanism>
std::unique_ptr<SaslClient> make(const Credentials& credentials, HmacMd5 hmac) {
    return std::make_unique<Mechanism>(credentials, hmac);
}

struct Row {
    SaslChoice choice;
    std::string_view name;
    bool needs_hmac;
    Make make;
};

// In the order in which `automatic` tries them.
constexpr std::array rows{
    Row{SaslChoice::plain, "PLAIN", false, make<Plain>},
    Row{SaslChoice::login, "LOGIN", false, make<Login>},
    Row{SaslChoice::cram_md5, "CRAM-MD5", true, make<CramMd5>},
};

std::string join(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
}

Error none_usable(SaslChoice choice, const std::vector<std::string>& offered) {
    std::string text = offered.empty() ? "the server offers no authentication"
                                       : "the server offers only " + join(offered);
    for (const Row& row : rows)
        if (row.choice == choice) text += "; the configuration asks for " + std::string(row.name);
    if (choice == SaslChoice::automatic) text += "; waxseal can do PLAIN, LOGIN and CRAM-MD5";
    return {std::move(text)};
}

}  // namespace

std::expected<std::unique_ptr<SaslClient>, Error> make_sasl_client(
    SaslChoice choice, const std::vector<std::string>& offered, const Credentials& credentials,
    HmacMd5 hmac_md5) {
    if (choice == SaslChoice::none) return error("the configuration asks for no authentication");
    if (credentials.username.empty()) return error("there is no username");
    // RFC 4616 2: NUL is what separates the parts of PLAIN, so it cannot be in one of them.
    if (credentials.username.find('\0') != std::string::npos ||
        credentials.password.reveal().find('\0') != std::string_view::npos)
        return error("the username or the password holds a NUL");
    for (const Row& row : rows) {
        const bool wanted = choice == SaslChoice::automatic || choice == row.choice;
        if (!wanted || (row.needs_hmac && hmac_md5 == nullptr)) continue;
        if (std::any_of(offered.begin(), offered.end(),
                        [&row](const std::string& name) { return text::iequals(name, row.name); }))
            return row.make(credentials, hmac_md5);
    }
    return std::unexpected(none_usable(choice, offered));
}

}  // namespace waxseal::smtp
