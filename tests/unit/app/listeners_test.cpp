// Which sockets a listener gets, and what of the configuration reaches its sessions.
#include "app/listeners.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "smtp/path.hpp"
#include "unit/app/directory.hpp"

using namespace waxseal;
using namespace waxseal::app;
using testing::TemporaryDirectory;

namespace {

BuiltListener plan(config::ListenAddress address) {
    BuiltListener built;
    built.address = std::move(address);
    built.mode = 0600;
    return built;
}

std::vector<int> descriptors(const BuiltListener& listener, const std::vector<BuiltListener>& all,
                             const std::vector<net::InheritedSocket>& passed) {
    const auto sockets = sockets_for(listener, all, passed);
    REQUIRE(sockets.has_value());
    std::vector<int> result;
    for (const net::ListenOptions& one : *sockets) result.push_back(one.inherited->fd);
    return result;
}

std::string error_of(const BuiltListener& listener,
                     const std::vector<net::InheritedSocket>& passed) {
    const auto sockets = sockets_for(listener, {listener}, passed);
    REQUIRE_FALSE(sockets.has_value());
    return sockets.error().text;
}

struct Building {
    TemporaryDirectory directory;
    config::Config config;
    Secret seed{"0123456789abcdef0123456789abcdef"};
    std::vector<Error> errors;

    BuiltListener build(const config::Listen& listen) {
        config.hostname = "mail.example.test";
        config.state_dir = directory.path();
        ListenerBuilder builder(config, seed, Missing::leave, 1000);
        BuiltListener built = builder.build(listen);
        errors = std::move(builder.errors());
        return built;
    }
};

}  // namespace

TEST_CASE("addresses and paths") {
    const auto tcp = plan(config::Endpoint{"127.0.0.1", 25});
    auto sockets = sockets_for(tcp, {tcp}, {});
    REQUIRE(sockets.has_value());
    REQUIRE(sockets->size() == 1);
    CHECK(sockets->front().address.text() == "127.0.0.1:25");
    const auto path = plan(config::UnixPath{"/run/waxseal/smtp.sock"});
    sockets = sockets_for(path, {path}, {});
    REQUIRE(sockets.has_value());
    CHECK(sockets->front().address.text() == "unix:/run/waxseal/smtp.sock");
    CHECK(sockets->front().unix_mode == 0600);
    CHECK_FALSE(sockets->front().inherited.has_value());
}

TEST_CASE("passed on: all of a name; without a name, what nobody names") {
    const std::vector<net::InheritedSocket> passed{
        {3, "smtp"}, {4, "submission"}, {5, "smtp"}, {6, "unknown"}};
    const auto smtp = plan(config::Inherited{"smtp"});
    const auto rest = plan(config::Inherited{});
    const auto tcp = plan(config::Endpoint{"127.0.0.1", 25});
    CHECK(descriptors(smtp, {smtp, rest, tcp}, passed) == std::vector<int>{3, 5});
    CHECK(descriptors(rest, {smtp, rest, tcp}, passed) == std::vector<int>{4, 6});
    CHECK(descriptors(rest, {rest}, passed) == std::vector<int>{3, 4, 5, 6});
}

TEST_CASE("what was not passed on is said, and what to do") {
    const auto smtp = plan(config::Inherited{"smtp"});
    CHECK(error_of(smtp, {}).starts_with("cannot listen on systemd:smtp: systemd has passed no"));
    const std::string other = error_of(smtp, {{3, "http"}});
    CHECK(other.find("only http") != std::string::npos);
    CHECK(other.find("FileDescriptorName=smtp") != std::string::npos);
    const auto rest = plan(config::Inherited{});
    const auto all_named = sockets_for(rest, {rest, smtp}, {{3, "smtp"}});
    REQUIRE_FALSE(all_named.has_value());
    CHECK(all_named.error().text.find("other listeners' already") != std::string::npos);
}

TEST_CASE("what TLS a session offers") {
    Building building;
    config::Listen listen;
    CHECK(building.build(listen).settings.session->server.starttls == smtp::Starttls::absent);
    listen.tls = config::ListenTls::implicit;
    CHECK(building.build(listen).settings.session->server.starttls == smtp::Starttls::absent);
    for (const auto tls : {config::ListenTls::starttls, config::ListenTls::automatic}) {
        listen.tls = tls;
        listen.require_tls = false;
        CHECK(building.build(listen).settings.session->server.starttls == smtp::Starttls::offered);
        listen.require_tls = true;
        CHECK(building.build(listen).settings.session->server.starttls == smtp::Starttls::required);
    }
    CHECK(building.errors.empty());
    listen.certificates = {
        {building.directory.file("junk", "junk"), building.directory.file("key", "junk")}};
    CHECK(building.build(listen).tls == nullptr);
    CHECK(building.errors.size() == 1);
}

TEST_CASE("what login a session asks for") {
    Building building;
    config::Listen listen;
    CHECK(building.build(listen).settings.session->authenticator == nullptr);
    CHECK(building.build(listen).settings.session->server.auth_mechanisms.empty());
    listen.auth = config::ListenAuth::any;
    auto session = building.build(listen).settings.session;
    CHECK_FALSE(session->server.require_auth);
    CHECK_FALSE(session->server.auth_mechanisms.empty());
    listen.auth = config::ListenAuth::local;
    config::User user;
    user.name = "printer";
    user.password_file = building.directory.file("password", "secret\n");
    building.config.user = {user};
    session = building.build(listen).settings.session;
    CHECK(session->server.require_auth);
    CHECK(session->server.auth_mechanisms.size() >= 4);  // a password in clear does for all
    CHECK(building.errors.empty());
}

TEST_CASE("users: the error names the user and the key") {
    const TemporaryDirectory directory;
    config::Config config;
    config.user.resize(2);
    config.user[0].name = "one";
    config.user[0].password_hash = "$unknown$secret";
    config.user[0].password_hash_place = "f:3:17";
    config.user[1].name = "two";
    config.user[1].password_file = directory.path() + "/absent";
    std::vector<Error> errors;
    CHECK(make_users(config, errors)->all().empty());
    REQUIRE(errors.size() == 2);
    CHECK(errors[0].text.starts_with("f:3:17: [[user]] password_hash: "));
    CHECK(errors[0].text.find("secret") == std::string::npos);
    CHECK(errors[1].text.starts_with("[[user]] \"two\" password_file: " + directory.path()));
}

TEST_CASE("a user who may send only the null reverse-path may not send as anybody") {
    const TemporaryDirectory directory;
    config::Config config;
    config.user.resize(1);
    config.user[0].name = "bounces";
    config.user[0].password_file = directory.file("password", "secret");
    config.user[0].senders = {"<>"};
    std::vector<Error> errors;
    const auto users = make_users(config, errors);
    REQUIRE(errors.empty());
    const auto user = users->find("bounces");
    REQUIRE(user != nullptr);
    const auto sends = [&](std::string_view path) {
        return user->may_send(smtp::parse_path(path, smtp::PathKind::reverse)->path);
    };
    CHECK(sends("<>"));
    CHECK_FALSE(sends("<a@example.test>"));
}
