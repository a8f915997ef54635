// Fuzzes SASL exchanges with what a downstream says in them.
//
// The input: a line with the mechanism, then a line for each message. "-" is no message (AUTH
// without an initial response), "^@", "^J", "^M" are NUL, LF and CR.
//
// Invariants: Granted only with the right secret, said in full, but where anything is accepted;
// what is granted or collected is a printable name and a password that fits in a line; challenges
// are printable and few; reasons are our own; an exchange that ended stays so.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "auth/authenticator.hpp"
#include "base/limits.hpp"
#include "base/text.hpp"
#include "fuzz/support/fuzz.hpp"
#include "smtp/base64.hpp"
#include "tls/crypto.hpp"

using namespace waxseal;
using namespace waxseal::auth;
using fuzz::require;

namespace {

constexpr std::string_view salt = "sixteen octets!!";
constexpr std::string_view hostname = "mx.example.com";

struct Account {
    std::string_view name, password;
};
constexpr Account accounts[] = {{"tim", "tanstaaftanstaaf"}, {"user", "pencil"}};

// CRAM-MD5 is offered only where all passwords are known.
enum class Known : bool { some, all };

std::shared_ptr<const Users> make_users(Known known) {
    std::vector<User> list;
    list.push_back({"tim", Verifier(Secret(accounts[0].password)), {}, {}, {}});
    if (known == Known::all) return std::make_shared<const Users>(std::move(list));
    // One iteration: the cost is not what is tested.
    list.push_back({"user",
                    Verifier(HashedPassword{1, std::string(salt), derive_keys("pencil", salt, 1)}),
                    {},
                    {},
                    {}});
    return std::make_shared<const Users>(std::move(list));
}

const Authenticator& authenticator(Mode mode, std::string_view mechanism) {
    static const auto make = [](Mode wanted, Known known = Known::some) {
        const auto users = make_users(known);
        return Authenticator({wanted, users, std::string(hostname), Secret("seed"),
                              [] { return std::string("nonce"); }});
    };
    static const Authenticator any = make(Mode::any);
    static const Authenticator local = make(Mode::local);
    static const Authenticator cleartext = make(Mode::local, Known::all);
    static const Authenticator passthrough = make(Mode::passthrough);
    if (mode == Mode::any) return any;
    if (mode == Mode::passthrough) return passthrough;
    return text::iequals(mechanism, "CRAM-MD5") ? cleartext : local;
}

std::string decode(std::string_view line) {
    std::string out;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const std::string_view pair = line.substr(i, 2);
        if (pair == "^@" || pair == "^J" || pair == "^M") {
            out += static_cast<char>(pair[1] - '@');
            ++i;
        } else {
            out += line[i];
        }
    }
    return out;
}

struct Script {
    std::string mechanism;
    std::vector<std::optional<std::string>> messages;
};

Script parse(std::string_view input) {
    Script script;
    const std::size_t end = input.find('\n');
    script.mechanism = input.substr(0, end);
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
    while (!input.empty() && script.messages.size() < 8) {
        const std::size_t next = std::min(input.find('\n'), input.size());
        const std::string_view line = input.substr(0, next);
        input.remove_prefix(std::min(next + 1, input.size()));
        script.messages.push_back(line == "-" ? std::nullopt : std::optional(decode(line)));
    }
    return script;
}

// What was said and heard in one exchange.
struct Spoken {
    std::string_view mechanism;
    std::vector<std::string> messages;
    std::vector<std::string> challenges;
};

std::string scram_proof(std::string_view password, unsigned iterations, std::string_view own_salt,
                        std::string_view auth_message) {
    const std::string salted = tls::pbkdf2_hmac_sha256(password, own_salt, iterations);
    const std::string key = tls::hmac_sha256(salted, "Client Key");
    std::string proof = tls::hmac_sha256(tls::sha256(key), auth_message);
    for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ key[i]);
    return smtp::base64_encode(proof);
}

bool proved(const Spoken& spoken, const Account& account) {
    if (spoken.messages.size() < 3 || !spoken.messages.back().empty()) return false;
    const std::string& first = spoken.messages[spoken.messages.size() - 3];
    const std::string& final = spoken.messages[spoken.messages.size() - 2];
    const std::string& offer = spoken.challenges[spoken.challenges.size() - 2];
    const std::size_t from = offer.find(",s=") + 3;
    const std::size_t count = offer.find(",i=");
    const std::size_t bare = first.find(',', 2) + 1;
    const std::size_t end = final.rfind(",p=");
    if (end == std::string::npos) return false;
    const std::string message = first.substr(bare) + ',' + offer + ',' + final.substr(0, end);
    return final.substr(end + 3) ==
           scram_proof(account.password, static_cast<unsigned>(std::stoul(offer.substr(count + 3))),
                       smtp::base64_decode(offer.substr(from, count - from)).value_or(""), message);
}

bool said_secret(const Spoken& spoken, const Account& account) {
    const std::string name(account.name);
    const std::string& last = spoken.messages.back();
    if (spoken.mechanism == "PLAIN") {
        const std::string rest = '\0' + name + '\0' + std::string(account.password);
        return last == rest || last == name + rest;
    }
    if (spoken.mechanism == "LOGIN")
        return spoken.messages.size() >= 2 && last == account.password &&
               spoken.messages[spoken.messages.size() - 2] == name;
    if (spoken.mechanism == "CRAM-MD5") {
        std::string right = name + ' ';
        for (const char c :
             tls::hmac_md5(account.password, "<nonce@" + std::string(hostname) + ">")) {
            right += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4U];
            right += "0123456789abcdef"[static_cast<unsigned char>(c) & 15U];
        }
        return text::iequals(last, right) && last.starts_with(name + ' ');
    }
    return proved(spoken, account);
}

void check_name(std::string_view name) {
    require(name.size() <= limits::sasl_name, "a name is within the limit");
    for (; !name.empty(); name.remove_prefix(text::decode_utf8(name)->length)) {
        const auto point = text::decode_utf8(name);
        require(point && text::printable(point->value), "a name is printable");
    }
}

void check_granted(const Granted& granted, Mode mode, const Spoken& spoken) {
    check_name(granted.name);
    require(!granted.name.empty() || mode == Mode::any, "a name");
    require((granted.user != nullptr) == (mode == Mode::local), "a user only when checked");
    require(mode != Mode::passthrough, "passthrough grants nothing");
    if (mode != Mode::local) return;
    require(granted.user->name == granted.name, "the user of that name");
    bool right = false;
    for (const Account& account : accounts)
        right = right || (account.name == granted.name && said_secret(spoken, account));
    require(right, "granted only with the right secret");
}

void check_collected(const Collected& collected, Mode mode) {
    require(mode == Mode::passthrough, "collected only for passthrough");
    check_name(collected.credentials.username);
    require(!collected.credentials.username.empty(), "a name");
    const std::string_view password = collected.credentials.password.reveal();
    require(!password.empty() && password.size() <= limits::sasl_password, "a password's limit");
    require(password.find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos,
            "a password fits in a line");
}

// False when the exchange has ended.
bool judge(const Step& step, Mode mode, Spoken& spoken) {
    if (const auto* challenge = std::get_if<Challenge>(&step)) {
        require(fuzz::printable_ascii(challenge->text), "a challenge is printable");
        spoken.challenges.push_back(challenge->text);
        require(spoken.challenges.size() <= 3, "few challenges");
        return true;
    }
    require(!std::holds_alternative<Check>(step), "no check after a check");
    if (const auto* granted = std::get_if<Granted>(&step)) check_granted(*granted, mode, spoken);
    if (const auto* collected = std::get_if<Collected>(&step)) check_collected(*collected, mode);
    if (const auto* malformed = std::get_if<Malformed>(&step))
        require(malformed->reason.size() < 80 && fuzz::printable_ascii(malformed->reason),
                "a reason of our own");
    return false;
}

void run(const Script& script, Mode mode) {
    const auto exchange = authenticator(mode, script.mechanism).begin(script.mechanism);
    if (!exchange) return;
    Spoken spoken{exchange->mechanism(), {}, {}};
    for (const auto& message : script.messages) {
        if (message) spoken.messages.push_back(*message);
        Step step = exchange->step(message ? std::optional(Secret(*message)) : std::nullopt);
        if (const auto* check = std::get_if<Check>(&step)) {
            require(mode == Mode::local, "checked only against users");
            step = exchange->conclude(check->work());
        }
        if (!judge(step, mode, spoken)) {
            require(std::holds_alternative<Malformed>(exchange->step(Secret("more"))), "it ended");
            return;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Script script = parse(fuzz::view(data, size));
    for (const Mode mode : {Mode::any, Mode::local, Mode::passthrough}) run(script, mode);
    return 0;
}
