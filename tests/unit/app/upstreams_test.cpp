// Tokens are read anew for each login.
#include "app/upstreams.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "unit/app/directory.hpp"

using namespace waxseal;
using namespace waxseal::app;
using testing::TemporaryDirectory;

TEST_CASE("a token is the one that is in the file now") {
    const TemporaryDirectory directory;
    const std::string file = directory.file("token", "first\n");
    const auto source = token_source("scanner@example.com", file);
    auto credentials = source();
    REQUIRE(credentials.has_value());
    CHECK(credentials->username == "scanner@example.com");
    CHECK(credentials->token.reveal() == "first");
    CHECK(credentials->password.empty());

    (void)directory.file("token", "second");
    credentials = source();
    REQUIRE(credentials.has_value());
    CHECK(credentials->token.reveal() == "second");

    (void)directory.file("token", "");
    credentials = source();
    REQUIRE_FALSE(credentials.has_value());
    CHECK(credentials.error().text == file + ": the token file is empty");

    std::filesystem::remove(file);
    credentials = source();
    REQUIRE_FALSE(credentials.has_value());
    CHECK(credentials.error().text.starts_with(file + ": cannot read the token: "));

    (void)directory.file("token", "third");
    credentials = source();
    REQUIRE(credentials.has_value());
    CHECK(credentials->token.reveal() == "third");
}

TEST_CASE("what a server would offer depends on how it is spoken to") {
    config::Upstream one;
    one.username = "a";
    config::Upstream other = one;
    CHECK(same_offer(one, other));
    SUBCASE("user") { other.username = "b"; }
    SUBCASE("TLS") { other.tls = config::UpstreamTls::starttls; }
    SUBCASE("version") { other.min_tls = config::TlsVersion::tls13; }
    SUBCASE("pin") { other.pin_sha256.push_back({}); }
    SUBCASE("pin only") { other.pin_only = true; }
    SUBCASE("name") { other.server_name = "x"; }
    SUBCASE("authority") { other.ca_file = "/x"; }
    SUBCASE("certificate") { other.certificate = {"/c", "/k"}; }
    SUBCASE("mechanism") { other.auth = config::Auth::external; }
    CHECK_FALSE(same_offer(one, other));
}
