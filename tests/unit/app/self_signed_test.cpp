// The self-signed certificate: made once, kept, and what is said when it cannot be.
#include "app/self_signed.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "app/certificates.hpp"
#include "tls/engine.hpp"
#include "unit/app/directory.hpp"

using namespace waxseal;
using namespace waxseal::app;
using testing::content_of;
using testing::TemporaryDirectory;

namespace {

const tls::SelfSignedRequest wanted{.dns_names = {"mail.example.test", "localhost"},
                                    .ip_addresses = {"192.0.2.1"}};

mode_t mode_of(const std::string& path) {
    struct stat facts{};
    REQUIRE(::stat(path.c_str(), &facts) == 0);
    return facts.st_mode & 07777U;
}

config::Listen listener(config::ListenAddress address, config::ListenTls tls) {
    config::Listen listen;
    listen.address = std::move(address);
    listen.tls = tls;
    return listen;
}

}  // namespace

TEST_CASE("made once, with the right permissions, then found") {
    const TemporaryDirectory directory;
    const std::string state = directory.path() + "/state";
    const auto made = self_signed(state, wanted, Missing::make);
    REQUIRE(made.has_value());
    CHECK(made->state == Kept::made);
    CHECK(made->files.certificate_file == state + "/self-signed.crt");
    CHECK(mode_of(state) == 0700);
    CHECK(mode_of(made->files.certificate_file) == 0644);
    CHECK(mode_of(made->files.key_file) == 0600);
    CHECK(std::distance(std::filesystem::directory_iterator(state),
                        std::filesystem::directory_iterator()) == 2);  // nothing beside them

    const std::string before = content_of(made->files.certificate_file);
    const auto found = self_signed(state, wanted, Missing::make);
    REQUIRE(found.has_value());
    CHECK(found->state == Kept::found);
    CHECK(content_of(found->files.certificate_file) == before);
    const auto looked = self_signed(state, wanted, Missing::leave);
    REQUIRE(looked.has_value());
    CHECK(looked->state == Kept::found);

    auto identity = read_identity(found->files, "listener");
    REQUIRE(identity.has_value());
    CHECK(identity->note.fingerprint.size() == 95);
    CHECK(tls::server_context(std::move(identity->key)).has_value());
    const auto facts = tls::certificate_facts(before);
    REQUIRE(facts.has_value());
    CHECK(facts->front().names ==
          std::vector<std::string>{"mail.example.test", "localhost", "192.0.2.1"});
}

TEST_CASE("half of it is none: the other half is made anew with it") {
    const TemporaryDirectory directory;
    const std::string key = directory.file("self-signed.key", "from before a crash");
    const auto made = self_signed(directory.path(), wanted, Missing::make);
    REQUIRE(made.has_value());
    CHECK(made->state == Kept::made);
    CHECK(content_of(key).starts_with("-----BEGIN"));
    CHECK(mode_of(key) == 0600);
}

TEST_CASE("looking makes nothing") {
    const TemporaryDirectory directory;
    for (const std::string& state : {directory.path(), directory.path() + "/state"}) {
        const auto looked = self_signed(state, wanted, Missing::leave);
        REQUIRE(looked.has_value());
        CHECK(looked->state == Kept::absent);
    }
    CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("where it cannot be kept the error names state_dir and says what to do") {
    const TemporaryDirectory directory;
    const std::string file = directory.file("file", "");
    for (const std::string& state : {file, file + "/below", directory.path() + "/no/such"}) {
        for (const Missing missing : {Missing::make, Missing::leave}) {
            CAPTURE(state);
            const auto kept = self_signed(state, wanted, missing);
            REQUIRE_FALSE(kept.has_value());
            CHECK(kept.error().text.starts_with("[server] state_dir: "));
            CHECK(kept.error().text.find(state) != std::string::npos);
            CHECK(kept.error().text.find("certificate_file") != std::string::npos);
        }
    }
}

TEST_CASE("names: the host's, and the addresses where it listens") {
    const std::vector<std::string> interfaces{"127.0.0.1", "192.0.2.7"};
    config::Config config;
    config.hostname = "Mail.Example.Test";
    using config::Endpoint;
    using config::ListenTls;
    SUBCASE("an address") {
        config.listen = {listener(Endpoint{"192.0.2.1", 465}, ListenTls::implicit),
                         listener(Endpoint{"192.0.2.1", 587}, ListenTls::starttls),
                         listener(Endpoint{"192.0.2.9", 25}, ListenTls::none)};
        const auto names = names_for(config, interfaces);
        CHECK(names.dns_names == std::vector<std::string>{"mail.example.test", "localhost"});
        CHECK(names.ip_addresses == std::vector<std::string>{"192.0.2.1"});
    }
    SUBCASE("wildcards and what systemd opens: the interfaces'") {
        for (const config::ListenAddress& address : std::vector<config::ListenAddress>{
                 Endpoint{"::", 465}, Endpoint{"0.0.0.0", 465}, config::Inherited{"smtp"}}) {
            config.listen = {listener(address, ListenTls::automatic)};
            CHECK(names_for(config, interfaces).ip_addresses == interfaces);
        }
    }
    SUBCASE("a unix socket has no address, a literal is no name") {
        config.hostname = "[127.0.0.1]";
        config.listen = {listener(config::UnixPath{"/run/x"}, ListenTls::starttls)};
        const auto names = names_for(config, interfaces);
        CHECK(names.dns_names == std::vector<std::string>{"localhost"});
        CHECK(names.ip_addresses.empty());
    }
}

TEST_CASE("this host has a loopback address") {
    const auto addresses = interface_addresses();
    CHECK(std::ranges::find(addresses, "127.0.0.1") != addresses.end());
}
