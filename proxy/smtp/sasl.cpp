// SASL, client side: the mechanisms that are short, and the choice between all. SCRAM-SHA-256 is in
// sasl_scram.cpp, those with a token in sasl_oauth.cpp.
//
// Each exchange answers as many challenges as its mechanism has, and no more: a server that keeps
// asking gets "*" and not the password again. What a challenge says is not looked at where servers
// are known to differ ("Username:", "User Name", an encoded NUL): the order is the protocol.
#include "smtp/sasl.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

#include "base/text.hpp"
#include "smtp/sasl_mechanisms.hpp"

namespace waxseal::smtp {

namespace {

std::unexpected<Error> error(std::string text) { return std::unexpected(Error{std::move(text)}); }

// RFC 4616: everything in one message, which may travel with the command or answer the first
// challenge.
class Plain final : public SaslClient {
  public:
    explicit Plain(const Credentials& credentials) {
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
    explicit Login(const Credentials& credentials) : credentials_(credentials.clone()) {}
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
    CramMd5(const Credentials& credentials, const SaslCrypto& crypto)
        : credentials_(credentials.clone()), crypto_(crypto) {}
    std::string_view mechanism() const noexcept override { return "CRAM-MD5"; }
    std::optional<Secret> initial_response() override { return std::nullopt; }
    std::expected<Secret, Error> respond(std::string_view challenge) override {
        if (answered_) return error("the server asks again after CRAM-MD5 was answered");
        if (challenge.empty()) return error("the server's CRAM-MD5 challenge is empty");
        answered_ = true;
        constexpr std::string_view digits = "0123456789abcdef";
        std::string answer = credentials_.username + ' ';
        for (const char c : crypto_.hmac_md5(credentials_.password.reveal(), challenge)) {
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
    SaslCrypto crypto_;
    bool answered_ = false;
};

// RFC 4422 A: the certificate of the handshake is the credential; the name, if there is one, says
// whom to act for.
class External final : public SaslClient {
  public:
    explicit External(const Credentials& credentials) : username_(credentials.username) {}
    std::string_view mechanism() const noexcept override { return "EXTERNAL"; }
    std::optional<Secret> initial_response() override {
        said_ = true;
        return Secret(username_);
    }
    std::expected<Secret, Error> respond(std::string_view) override {
        if (said_) return error("the server asks again after EXTERNAL was answered");
        return *initial_response();
    }
    bool finished() const noexcept override { return said_; }

  private:
    std::string username_;
    bool said_ = false;
};

template <typename Mechanism>
std::unique_ptr<SaslClient> make(const Credentials& credentials, const SaslContext& context) {
    if constexpr (std::is_constructible_v<Mechanism, const Credentials&, const SaslCrypto&>) {
        return std::make_unique<Mechanism>(credentials, context.crypto);
    } else {
        return std::make_unique<Mechanism>(credentials);
    }
}

// Why a mechanism cannot be done with what there is, to be read behind its name; nothing: it can.
using Obstacle = std::string_view;

Obstacle password_missing(const Credentials& credentials, const SaslContext&) {
    return credentials.password.empty() ? "needs a password, and there is none" : "";
}

Obstacle cram_obstacle(const Credentials& credentials, const SaslContext& context) {
    if (context.crypto.hmac_md5 == nullptr) return "cannot be computed here";
    return password_missing(credentials, context);
}

bool printable(std::string_view text) {
    while (!text.empty()) {
        const auto character = text::decode_utf8(text);
        if (!character || !text::printable(character->value)) return false;
        text.remove_prefix(character->length);
    }
    return true;
}

Obstacle scram_obstacle(const Credentials& credentials, const SaslContext& context) {
    const SaslCrypto& crypto = context.crypto;
    if (crypto.sha256 == nullptr || crypto.hmac_sha256 == nullptr ||
        crypto.pbkdf2_hmac_sha256 == nullptr || crypto.random == nullptr)
        return "cannot be computed here";
    if (!printable(credentials.username) || !printable(credentials.password.reveal()))
        return "cannot carry a username or a password that is not printable UTF-8";
    return password_missing(credentials, context);
}

// RFC 6750 2.1: a token is printable ASCII; ^A and line ends are what separates it from the rest.
Obstacle token_obstacle(const Credentials& credentials, const SaslContext&) {
    const std::string_view token = credentials.token.reveal();
    if (token.empty()) return "needs a token, and there is none";
    const auto visible = [](char c) { return c > ' ' && c <= '~'; };
    if (!std::all_of(token.begin(), token.end(), visible))
        return "cannot carry a token that is not printable ASCII";
    return printable(credentials.username) ? "" : "cannot carry this username";
}

Obstacle certificate_missing(const Credentials&, const SaslContext& context) {
    return context.certificate == ClientCertificate::none
               ? "needs a client certificate, and none was presented"
               : "";
}

struct Row {
    SaslChoice choice;
    std::string_view name;
    Obstacle (*obstacle)(const Credentials&, const SaslContext&);
    std::unique_ptr<SaslClient> (*make)(const Credentials&, const SaslContext&);
};

// In the order in which `automatic` tries them.
constexpr std::array rows{
    Row{SaslChoice::xoauth2, "XOAUTH2", token_obstacle, make_xoauth2},
    Row{SaslChoice::oauthbearer, "OAUTHBEARER", token_obstacle, make_oauthbearer},
    Row{SaslChoice::scram_sha_256, "SCRAM-SHA-256", scram_obstacle, make_scram_sha_256},
    Row{SaslChoice::plain, "PLAIN", password_missing, make<Plain>},
    Row{SaslChoice::login, "LOGIN", password_missing, make<Login>},
    Row{SaslChoice::cram_md5, "CRAM-MD5", cram_obstacle, make<CramMd5>},
    Row{SaslChoice::external, "EXTERNAL", certificate_missing, make<External>},
};

// A certificate says who waxseal is, and never whose password it was given to try: EXTERNAL is
// only ever asked for by name.
bool wanted(const Row& row, SaslChoice choice) {
    return choice == row.choice ||
           (choice == SaslChoice::automatic && row.choice != SaslChoice::external);
}

std::string join(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
}

Error none_usable(SaslChoice choice, const std::vector<std::string>& offered,
                  const Credentials& credentials, const SaslContext& context) {
    std::string text = offered.empty() ? "the server offers no authentication"
                                       : "the server offers only " + join(offered);
    std::vector<std::string> able;
    for (const Row& row : rows) {
        if (row.choice == choice) text += "; the configuration asks for " + std::string(row.name);
        if (wanted(row, choice) && row.obstacle(credentials, context).empty())
            able.emplace_back(row.name);
    }
    if (choice == SaslChoice::automatic) {
        text += able.empty() ? "; there is no usable password or token"
                             : "; what is configured serves for " + join(able);
    }
    return {std::move(text)};
}

// RFC 4616 2: NUL is what separates the parts of PLAIN, so it cannot be in one of them.
bool holds_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

bool offers(const std::vector<std::string>& offered, std::string_view mechanism) {
    return std::any_of(offered.begin(), offered.end(), [mechanism](const std::string& name) {
        return text::iequals(name, mechanism);
    });
}

}  // namespace

std::string sasl_name(std::string_view name) {
    std::string out;
    for (const char c : name) {
        if (c == ',' || c == '=') {
            out += c == ',' ? "=2C" : "=3D";
        } else {
            out += c;
        }
    }
    return out;
}

std::string sasl_complaint(std::string_view words) {
    constexpr std::size_t most = 256;
    std::string line;
    for (const char c : words.substr(0, most)) line += c >= ' ' && c <= '~' ? c : ' ';
    return std::string(text::trim(line));
}

std::expected<std::unique_ptr<SaslClient>, Error> make_sasl_client(
    SaslChoice choice, const std::vector<std::string>& offered, const Credentials& credentials,
    const SaslContext& context) {
    if (choice == SaslChoice::none) return error("the configuration asks for no authentication");
    if (credentials.username.empty() && choice != SaslChoice::external)
        return error("there is no username");
    if (holds_nul(credentials.username) || holds_nul(credentials.password.reveal()))
        return error("the username or the password holds a NUL");
    for (const Row& row : rows) {
        if (!wanted(row, choice) || !offers(offered, row.name)) continue;
        const Obstacle obstacle = row.obstacle(credentials, context);
        if (obstacle.empty()) return row.make(credentials, context);
        if (choice == row.choice) return error(std::string(row.name) + ' ' + std::string(obstacle));
    }
    return std::unexpected(none_usable(choice, offered, credentials, context));
}

}  // namespace waxseal::smtp
