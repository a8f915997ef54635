// SASL with a token, EXTERNAL, and what `automatic` takes when there is more than a password.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "unit/smtp/scram_example.hpp"

using namespace waxseal;
using namespace waxseal::smtp;
using namespace waxseal::testing;
using namespace std::literals;

namespace {

Credentials with_token(std::string username, std::string_view token) {
    return {std::move(username), Secret(), Secret(token)};
}

std::unique_ptr<SaslClient> make(SaslChoice choice, const std::vector<std::string>& offered,
                                 const Credentials& credentials, const SaslContext& context = {}) {
    auto made = make_sasl_client(choice, offered, credentials, context);
    REQUIRE(made.has_value());
    return std::move(*made);
}

std::string why_not(SaslChoice choice, const std::vector<std::string>& offered,
                    const Credentials& credentials, const SaslContext& context = {}) {
    const auto made = make_sasl_client(choice, offered, credentials, context);
    REQUIRE_FALSE(made.has_value());
    return made.error().text;
}

std::unique_ptr<SaslClient> xoauth2() {
    return make(SaslChoice::xoauth2, {"XOAUTH2"}, with_token("user@example.com", "TOKEN"));
}

std::unique_ptr<SaslClient> oauthbearer() {
    return make(SaslChoice::oauthbearer, {"OAUTHBEARER"}, with_token("user@example.com", "TOKEN"),
                {.host = "smtp.example.com", .port = 587});
}

const std::string google_reason =
    R"({"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"})";

}  // namespace

TEST_CASE("xoauth2: the message") {
    CHECK(xoauth2()->mechanism() == "XOAUTH2");
    CHECK(xoauth2()->initial_response()->reveal() ==
          "user=user@example.com\1auth=Bearer TOKEN\1\1");
    // The example of Microsoft's documentation.
    const auto sasl = make(
        SaslChoice::xoauth2, {"XOAUTH2"},
        with_token("test@contoso.onmicrosoft.com", "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA"));
    CHECK(base64_encode(sasl->initial_response()->reveal()) ==
          "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0oz"
          "VmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==");
}

TEST_CASE("oauthbearer: the message") {
    CHECK(oauthbearer()->mechanism() == "OAUTHBEARER");
    CHECK(oauthbearer()->initial_response()->reveal() ==
          "n,a=user@example.com,\1host=smtp.example.com\1port=587\1auth=Bearer TOKEN\1\1");
    const auto bare = make(SaslChoice::oauthbearer, {"OAUTHBEARER"}, with_token("a=b,c", "t"));
    CHECK(bare->initial_response()->reveal() == "n,a=a=3Db=2Cc,\1auth=Bearer t\1\1");
}

TEST_CASE("oauth: the server takes it") {
    for (const bool with_command : {true, false}) {
        for (auto* const make_one : {xoauth2, oauthbearer}) {
            const auto sasl = make_one();
            CHECK_FALSE(sasl->finished());
            if (with_command) CHECK(sasl->initial_response().has_value());
            // The first prompt, or a server that has not looked at what came with the command.
            if (!with_command) CHECK(sasl->respond("whatever it says")->reveal().ends_with("\1\1"));
            CHECK(sasl->finished());
            CHECK(sasl->complaint().empty());
        }
    }
}

TEST_CASE("oauth: a server that ignores the initial response gets it once more, and only once") {
    for (auto* const make_one : {xoauth2, oauthbearer}) {
        const auto sasl = make_one();
        const auto first = sasl->initial_response();
        const auto again = sasl->respond("");
        REQUIRE(again.has_value());
        CHECK(again->reveal() == first->reveal());
        CHECK(sasl->finished());
        // The next one is a refusal without a reason.
        const auto farewell = sasl->respond("");
        REQUIRE(farewell.has_value());
        CHECK(farewell->reveal().size() <= 1);
        CHECK_FALSE(sasl->finished());
        CHECK_FALSE(sasl->respond("").has_value());
    }
}

TEST_CASE("oauth: a refusal that comes as a challenge") {
    for (const bool with_command : {true, false}) {
        for (const bool standard : {true, false}) {
            const auto sasl = standard ? oauthbearer() : xoauth2();
            if (with_command) (void)sasl->initial_response();
            if (!with_command) (void)sasl->respond("");
            const auto answer = sasl->respond(google_reason + "\n");
            REQUIRE(answer.has_value());
            CHECK(answer->reveal() == (standard ? "\1"sv : ""sv));
            CHECK(sasl->complaint() == google_reason);
            // A 235 would contradict it, and a further challenge gets nothing.
            CHECK_FALSE(sasl->finished());
            CHECK_FALSE(sasl->respond(google_reason).has_value());
            CHECK_FALSE(sasl->respond("").has_value());
        }
    }
}

TEST_CASE("oauth: a reason is one printable line, and not a long one") {
    const auto sasl = xoauth2();
    (void)sasl->initial_response();
    REQUIRE(
        sasl->respond("\x1b[31m\r\nfake=1\xff\xe2\x80\xae" + std::string(5000, 'x')).has_value());
    CHECK(sasl->complaint().size() <= 256);
    for (const char c : sasl->complaint()) CHECK((c >= ' ' && c <= '~'));
}

TEST_CASE("oauth: a token is one printable word") {
    for (const SaslChoice choice : {SaslChoice::xoauth2, SaslChoice::oauthbearer}) {
        const std::vector<std::string> offered{"XOAUTH2", "OAUTHBEARER"};
        for (const std::string& odd :
             {""s, "a b"s, "a\1b"s, "a\r\n"s, "a\0b"s, "\xff"s, "a\x7f"s}) {
            const std::string reason = why_not(choice, offered, with_token("u", odd));
            CHECK(reason.find("token") != std::string::npos);
        }
        why_not(choice, offered, with_token("", "t"));
        why_not(choice, offered, with_token("u\1auth=Bearer x", "t"));
        // A password is no token.
        why_not(choice, offered, {"u", Secret("p")});
    }
}

TEST_CASE("external: the certificate is the credential") {
    const SaslContext presented{.certificate = ClientCertificate::presented};
    for (const std::string& name : {""s, "user"s}) {
        const auto sasl = make(SaslChoice::external, {"EXTERNAL"}, {name}, presented);
        CHECK(sasl->mechanism() == "EXTERNAL");
        CHECK_FALSE(sasl->finished());
        CHECK(sasl->initial_response()->reveal() == name);
        CHECK(sasl->finished());
        CHECK_FALSE(sasl->respond("").has_value());
        const auto asked = make(SaslChoice::external, {"EXTERNAL"}, {name}, presented);
        CHECK(asked->respond("")->reveal() == name);
        CHECK(asked->finished());
    }
    CHECK(why_not(SaslChoice::external, {"EXTERNAL"}, {"user"}).find("certificate") !=
          std::string::npos);
    why_not(SaslChoice::automatic, {"EXTERNAL"}, {"user"});
    why_not(SaslChoice::external, {"PLAIN"}, {"user", Secret("p")}, presented);
    why_not(SaslChoice::external, {"EXTERNAL"}, {"u\0x"s}, presented);
}

TEST_CASE("sasl: automatic takes the strongest for which the credential is there") {
    SaslContext context{.crypto = scram::crypto()};
    context.crypto.hmac_md5 = [](std::string_view, std::string_view) {
        return std::string(16, 'x');
    };
    context.certificate = ClientCertificate::presented;
    const Credentials both{"u", Secret("p"), Secret("t")};
    std::vector<std::string> offered{"EXTERNAL",      "CRAM-MD5", "LOGIN",      "PLAIN",
                                     "SCRAM-SHA-256", "XOAUTH2",  "OAUTHBEARER"};
    // Each time without the one that was taken.
    for (const std::string_view best :
         {"XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5"}) {
        CHECK(make(SaslChoice::automatic, offered, both, context)->mechanism() == best);
        std::erase(offered, best);
    }
    // EXTERNAL, which would succeed whatever the password, is left.
    CHECK(why_not(SaslChoice::automatic, offered, both, context).find("offers only EXTERNAL") !=
          std::string::npos);
    CHECK(why_not(SaslChoice::automatic, {}, both, context).find("no authentication") !=
          std::string::npos);
    offered = {"PLAIN", "SCRAM-SHA-256", "XOAUTH2", "EXTERNAL"};
    const auto taken = [&](const Credentials& credentials) {
        return std::string(make(SaslChoice::automatic, offered, credentials, context)->mechanism());
    };
    CHECK(taken({"u", Secret("p")}) == "SCRAM-SHA-256");
    CHECK(taken({"u", Secret("caf\xe9")}) == "PLAIN");  // Latin-1
    CHECK(taken(with_token("u", "t")) == "XOAUTH2");
    CHECK(why_not(SaslChoice::automatic, offered, {"u"}, context)
              .find("no usable password or token") != std::string::npos);
    CHECK(why_not(SaslChoice::automatic, {"PLAIN"}, with_token("u", "t"), context)
              .find("serves for XOAUTH2, OAUTHBEARER") != std::string::npos);
}

TEST_CASE("sasl: a text that repeats a credential is found out") {
    const std::string token = "eyJ0eXAiOiJKV1QiLCJub25jZSI6IkFRQUJBQUFBQUFE.4f7ac901-rest_of-it~";
    const Credentials credentials{"user", Secret("correct horse"), Secret(token)};
    CHECK_FALSE(repeats("535 5.7.8 Bad credentials for user", credentials));
    CHECK_FALSE(repeats("", credentials));
    CHECK(repeats("535 correct horse is wrong", credentials));
    CHECK(repeats("535 rrect hors", credentials));
    CHECK(repeats("535 " + base64_encode("\0user\0correct horse"s), credentials));
    CHECK(repeats("535 " + base64_encode("correct horse"), credentials));
    for (std::size_t i = 0; i + 8 <= token.size(); ++i)
        CHECK(repeats("535 x" + token.substr(i, 8) + "y", credentials));
    CHECK_FALSE(repeats("535 x" + token.substr(3, 7) + "y", credentials));
    // As it went out, wherever it stands in the message.
    for (const std::string_view before : {"", "a", "ab", "user=user\1auth=Bearer "})
        CHECK(repeats("535 " + base64_encode(std::string(before) + token + "\1\1").substr(36, 30),
                      credentials));
    CHECK(repeats("short", {"u", Secret("hor")}));
    CHECK_FALSE(repeats("anything", {"u"}));
}
