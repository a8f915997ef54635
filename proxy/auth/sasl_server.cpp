#include "auth/sasl_server.hpp"

#include <cassert>
#include <utility>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "smtp/base64.hpp"

namespace waxseal::auth {

namespace {

constexpr std::size_t ellipsis = 3;  // what text::escape() adds to what it has cut

std::string_view name_of(const Granted& candidate) noexcept {
    return candidate.user ? std::string_view(candidate.user->name) : std::string_view();
}

// Name and password in the clear: what becomes of them is the mode's matter.
class PasswordExchange : public Exchange {
  public:
    std::string_view claimed() const noexcept override { return name_of(candidate_); }

  protected:
    explicit PasswordExchange(std::shared_ptr<const Policy> policy) : policy_(std::move(policy)) {}

    // Whatever is said will do, and nothing of it is used but the name, in the log.
    [[nodiscard]] bool takes_anything() const noexcept { return policy_->mode == Mode::any; }
    static Step let_in(std::string_view name) {
        return Granted{nullptr, text::escape(name, limits::sasl_name - ellipsis)};
    }

    Step decide(std::string name, Secret password) {
        switch (policy_->mode) {
            case Mode::any:
                return let_in(name);
            case Mode::passthrough:
                return Collected{{std::move(name), std::move(password)}};
            case Mode::local:
                break;
        }
        candidate_ = {policy_->checks.users().find(name), std::move(name)};
        return Check{policy_->checks.password(candidate_.user, std::move(password))};
    }

  private:
    Step matched() override { return std::move(candidate_); }

    std::shared_ptr<const Policy> policy_;
    Granted candidate_;
};

// Between the first NUL and the second, as far as they are there.
std::string_view name_in_plain(std::string_view message) noexcept {
    const std::size_t first = message.find('\0');
    if (first == std::string_view::npos) return message;
    message.remove_prefix(first + 1);
    return message.substr(0, message.find('\0'));
}

class Plain final : public PasswordExchange {
  public:
    explicit Plain(std::shared_ptr<const Policy> policy) : PasswordExchange(std::move(policy)) {}
    std::string_view mechanism() const noexcept override { return "PLAIN"; }

  private:
    Step advance(std::optional<Secret> message) override {
        if (!message) return Challenge{};
        if (takes_anything()) return let_in(name_in_plain(message->reveal()));
        auto plain = parse_plain(message->reveal());
        if (!plain) return std::move(plain).error();
        // Nobody may act as somebody else.
        if (!plain->authzid.empty() && plain->authzid != plain->name) return Refused{};
        return decide(std::move(plain->name), std::move(plain->password));
    }
};

class Login final : public PasswordExchange {
  public:
    explicit Login(std::shared_ptr<const Policy> policy) : PasswordExchange(std::move(policy)) {}
    std::string_view mechanism() const noexcept override { return "LOGIN"; }

  private:
    enum class Due : std::uint8_t { anything, username, password };

    // The prompts are what devices compare with, octet by octet.
    Step advance(std::optional<Secret> message) override {
        // An initial response without content says nothing: the name is asked for.
        if (due_ == Due::anything && (!message || message->empty())) {
            due_ = Due::username;
            return Challenge{"Username:"};
        }
        if (takes_anything()) return take_anything(message->reveal());
        if (due_ == Due::password) {
            auto password = parse_password(message->reveal());
            if (!password) return std::move(password).error();
            return decide(std::move(name_), *std::move(password));
        }
        auto name = parse_name(message->reveal());
        if (!name) return std::move(name).error();
        name_ = *std::move(name);
        due_ = Due::password;
        return Challenge{"Password:"};
    }

    Step take_anything(std::string_view message) {
        if (due_ == Due::password) return let_in(name_);
        name_ = message.substr(0, limits::sasl_name);
        due_ = Due::password;
        return Challenge{"Password:"};
    }

    std::string name_;
    Due due_ = Due::anything;
};

class CramMd5 final : public Exchange {
  public:
    explicit CramMd5(std::shared_ptr<const Policy> policy) : policy_(std::move(policy)) {}
    std::string_view mechanism() const noexcept override { return "CRAM-MD5"; }
    std::string_view claimed() const noexcept override { return name_of(candidate_); }

  private:
    Step advance(std::optional<Secret> message) override {
        if (challenge_.empty()) {
            if (message) return Malformed{"CRAM-MD5 has no initial response"};  // RFC 4954 4
            challenge_ = '<' + policy_->nonce() + '@' + policy_->hostname + '>';
            return Challenge{challenge_};
        }
        auto answer = parse_cram(message->reveal());
        if (!answer) return std::move(answer).error();
        candidate_ = {policy_->checks.users().find(answer->name), std::move(answer->name)};
        return Check{
            policy_->checks.digest(candidate_.user, challenge_, std::move(answer->digest))};
    }
    Step matched() override { return std::move(candidate_); }

    std::shared_ptr<const Policy> policy_;
    std::string challenge_;
    Granted candidate_;
};

class ScramSha256 final : public Exchange {
  public:
    explicit ScramSha256(std::shared_ptr<const Policy> policy) : policy_(std::move(policy)) {}
    std::string_view mechanism() const noexcept override { return "SCRAM-SHA-256"; }
    std::string_view claimed() const noexcept override { return name_of(candidate_); }

  private:
    enum class Due : std::uint8_t { first, final, nothing };

    Step advance(std::optional<Secret> message) override {
        if (!message) return Challenge{};
        switch (due_) {
            case Due::first:
                return take_first(message->reveal());
            case Due::final:
                return take_final(message->reveal());
            case Due::nothing:
                break;
        }
        // RFC 5802 5: the server's signature was the last word; SMTP wants an answer to it.
        if (!message->empty()) return Malformed{"nothing more was asked for"};
        return std::move(candidate_);
    }

    Step take_first(std::string_view message) {
        auto first = parse_scram_first(message);
        if (!first) return std::move(first).error();
        if (!first->authzid.empty() && first->authzid != first->name) return Refused{};
        candidate_ = {policy_->checks.users().find(first->name), first->name};
        offer_ = policy_->checks.offer(candidate_.user.get(), first->name);
        nonce_ = first->nonce + policy_->nonce();
        gs2_header_ = std::move(first->gs2_header);
        std::string text = "r=" + nonce_ + ",s=" + smtp::base64_encode(offer_.salt) +
                           ",i=" + std::to_string(offer_.iterations);
        spoken_ = first->bare + ',' + text;
        due_ = Due::final;
        return Challenge{std::move(text)};
    }

    Step take_final(std::string_view message) {
        auto final = parse_scram_final(message);
        if (!final) return std::move(final).error();
        // A replay, or somebody between us who changed the first message.
        if (final->nonce != nonce_ || final->binding != gs2_header_) return Refused{};
        return Check{policy_->checks.proof(candidate_.user, offer_,
                                           spoken_ + ',' + final->without_proof,
                                           std::move(final->proof), signature_)};
    }

    Step matched() override {
        due_ = Due::nothing;
        return Challenge{"v=" + smtp::base64_encode(*signature_)};
    }

    std::shared_ptr<const Policy> policy_;
    Granted candidate_;
    ScramOffer offer_;
    std::string gs2_header_;
    std::string nonce_;   // the client's and ours
    std::string spoken_;  // of the AuthMessage, what was said so far
    std::shared_ptr<std::string> signature_ = std::make_shared<std::string>();
    Due due_ = Due::first;
};

}  // namespace

Step Exchange::step(std::optional<Secret> message) {
    assert(phase_ != Phase::checking);
    if (phase_ == Phase::ended) return Malformed{"the exchange has ended"};
    if (!message && phase_ != Phase::beginning) return follow(Malformed{"a message is missing"});
    return follow(advance(std::move(message)));
}

Step Exchange::conclude(bool matched) {
    assert(phase_ == Phase::checking);
    if (phase_ != Phase::checking || !matched) return follow(Refused{});
    return follow(this->matched());
}

Step Exchange::follow(Step step) {
    phase_ = std::holds_alternative<Challenge>(step) ? Phase::talking
             : std::holds_alternative<Check>(step)   ? Phase::checking
                                                     : Phase::ended;
    return step;
}

std::unique_ptr<Exchange> begin_plain(std::shared_ptr<const Policy> policy) {
    return std::make_unique<Plain>(std::move(policy));
}
std::unique_ptr<Exchange> begin_login(std::shared_ptr<const Policy> policy) {
    return std::make_unique<Login>(std::move(policy));
}
std::unique_ptr<Exchange> begin_cram_md5(std::shared_ptr<const Policy> policy) {
    return std::make_unique<CramMd5>(std::move(policy));
}
std::unique_ptr<Exchange> begin_scram_sha_256(std::shared_ptr<const Policy> policy) {
    return std::make_unique<ScramSha256>(std::move(policy));
}

}  // namespace waxseal::auth
