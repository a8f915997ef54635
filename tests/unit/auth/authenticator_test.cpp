// What a listener offers in each mode, what becomes of credentials, and what strangers are told.
#include "auth/authenticator.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string_view>
#include <vector>

#include "support.hpp"

using namespace waxseal;
using namespace waxseal::auth;
using namespace waxseal::auth::test;
using namespace std::literals;

namespace {
using Names = std::vector<std::string_view>;
}

TEST_CASE("only mechanisms that can succeed are offered, and only those begin") {
    struct Row {
        Authenticator by;
        Names names;
    };
    const Row rows[] = {
        {authenticator(Mode::any), {"PLAIN", "LOGIN"}},
        {authenticator(Mode::passthrough), {"PLAIN", "LOGIN"}},
        {authenticator(Mode::any, users(cleartext("tim", "p"))), {"PLAIN", "LOGIN"}},
        {authenticator(Mode::local), {}},
        {authenticator(Mode::local, users()), {}},
        {authenticator(Mode::local, users(hashed("a", "p"))), {"PLAIN", "LOGIN", "SCRAM-SHA-256"}},
        {authenticator(Mode::local, users(cleartext("a", "p"), cleartext("b", "p"))),
         {"PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5"}},
        // CRAM-MD5 is nothing for a.
        {authenticator(Mode::local, users(hashed("a", "p"), cleartext("b", "p"))),
         {"PLAIN", "LOGIN", "SCRAM-SHA-256"}},
    };
    for (const Row& row : rows) {
        CHECK(row.by.mechanisms() == row.names);
        for (const std::string_view name :
             {"PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5", "XOAUTH2", "SCRAM-SHA-256-PLUS",
              "PLAINX", "PLAI", ""}) {
            const auto exchange = row.by.begin(name);
            const bool offered = std::set(row.names.begin(), row.names.end()).contains(name);
            CHECK((exchange != nullptr) == offered);
            if (exchange) CHECK(exchange->mechanism() == name);
        }
    }
}

TEST_CASE("any: whatever is said is accepted, however it is said") {
    const Authenticator by = authenticator(Mode::any);
    const Step step = talk(by, "PLAIN", {"\0whoever\0whatever"sv});
    REQUIRE(is<Granted>(step));
    CHECK(std::get<Granted>(step).name == "whoever");
    CHECK(std::get<Granted>(step).user == nullptr);
    CHECK(granted(talk(by, "LOGIN", {std::nullopt, "u", "p"})) == "u");
    CHECK(granted(talk(by, "PLAIN", {"\0u\0p\0extra"sv})) == "u");
    CHECK(granted(talk(by, "PLAIN", {"admin\0u\0"sv})) == "u");
    CHECK(is<Granted>(talk(by, "PLAIN", {"\0\0"sv})));
    CHECK(granted(talk(by, "PLAIN", {"u"sv})) == "u");
    CHECK(is<Granted>(talk(by, "PLAIN", {std::nullopt, ""})));
    CHECK(granted(talk(by, "LOGIN", {"u", ""})) == "u");
    CHECK(is<Granted>(talk(by, "LOGIN", {std::nullopt, "", ""})));
    // It is said nowhere but in the log: nothing in it does harm there.
    CHECK(granted(talk(by, "PLAIN", {"\0caf\xe9\r\nRCPT TO:<x>\0p"sv})) ==
          "caf\\xe9\\x0d\\x0aRCPT TO:<x>");
    const Step endless = talk(by, "LOGIN", {std::string(9000, 'u'), "p"});
    REQUIRE(is<Granted>(endless));
    CHECK(std::get<Granted>(endless).name.size() < 300);
}

TEST_CASE("passthrough: credentials are handed out as they are, and nothing is decided") {
    const Authenticator by = authenticator(Mode::passthrough);
    const auto collected = [](Step step) {
        REQUIRE(is<Collected>(step));
        return std::move(std::get<Collected>(step).credentials);
    };
    const smtp::Credentials plain = collected(talk(by, "PLAIN", {"\0scan@example.com\0p ss"sv}));
    CHECK(plain.username == "scan@example.com");
    CHECK(plain.password.reveal() == "p ss");
    const smtp::Credentials login = collected(talk(by, "LOGIN", {std::nullopt, "u", "p"}));
    CHECK(login.username == "u");
    CHECK(login.password.reveal() == "p");
    CHECK(is<Refused>(talk(by, "PLAIN", {"admin\0u\0p"sv})));
    CHECK(is<Malformed>(talk(by, "PLAIN", {"\0u\0p\r\nDATA"sv})));
}

TEST_CASE("without a nonce of the test's, each exchange has its own") {
    AuthenticatorOptions options;
    options.mode = Mode::local;
    options.users = users(cleartext("tim", "p"));
    options.hostname = "mx.example.com";
    options.seed = Secret("seed");
    const Authenticator by(std::move(options));
    std::set<std::string> seen;
    for (int i = 0; i < 50; ++i) {
        const std::string text = challenge(talk(by, "CRAM-MD5", {std::nullopt}));
        CHECK(text.starts_with('<'));
        CHECK(text.ends_with("@mx.example.com>"));
        CHECK(text.find_first_of(" ,\r\n") == std::string::npos);
        CHECK(text.size() == 24 + "<@mx.example.com>"sv.size());
        seen.insert(text);
    }
    CHECK(seen.size() == 50);
}

TEST_CASE("somebody unknown is offered the iterations and the length of salt of one of the users") {
    const std::string salt(24, 's');
    const ScramKeys keys{std::string(32, 'k'), std::string(32, 'k')};
    const Authenticator by = authenticator(
        Mode::local,
        users(User{"a", Verifier(HashedPassword{5000, salt, keys}), {}, {}, {}},
              User{"b", Verifier(HashedPassword{6000, "saltsalt", keys}), {}, {}, {}}));
    const auto ending = [&](const std::string& name) {
        const std::string text = challenge(talk(by, "SCRAM-SHA-256", {"n,,n=" + name + ",r=x"}));
        const std::size_t start = text.find(",s=");
        const std::size_t end = text.find(",i=");
        return std::to_string(end - start) + text.substr(end);
    };
    std::set<std::string> seen;
    for (int i = 0; i < 64; ++i) seen.insert(ending("nobody" + std::to_string(i)));
    CHECK(seen == std::set{ending("a"), ending("b")});
}
