// What the tests of upstream/ share: a Connection to a scripted server, and its events as text.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <type_traits>
#include <vector>

#include "smtp/path.hpp"
#include "unit/support/provider.hpp"
#include "upstream/connection.hpp"

namespace waxseal::testing {

inline smtp::Path path(std::string_view text, smtp::PathKind kind = smtp::PathKind::forward) {
    return smtp::parse_path(text, kind)->path;
}

inline std::string describe(const smtp::ClientEvent& told) {
    namespace event = smtp::client_event;
    return std::visit(
        [](const auto& one) -> std::string {
            using Event = std::decay_t<decltype(one)>;
            if constexpr (std::is_same_v<Event, event::NeedInput>) return "need input";
            if constexpr (std::is_same_v<Event, event::StartTls>) return "starttls";
            if constexpr (std::is_same_v<Event, event::Ready>) return "ready";
            if constexpr (std::is_same_v<Event, event::Closed>) return "closed";
            if constexpr (std::is_same_v<Event, event::Failed>)
                return "failed " + std::string(to_string(one.failure.kind)) + ": " +
                       one.failure.reason;
            if constexpr (requires { one.reply; } && !std::is_same_v<Event, event::Failed>)
                return "reply " + std::to_string(one.reply.code);
            return "?";
        },
        told);
}

// One connection. events() has everything it told so far but NeedInput.
class Line {
  public:
    explicit Line(ScriptedUpstream::Options options = {}) : upstream(reactor, options) {}

    FakeReactor reactor;
    ScriptedUpstream upstream;
    std::shared_ptr<upstream::Provider> provider = make_provider(reactor, upstream);
    std::unique_ptr<Dial> dial;
    std::unique_ptr<upstream::Connection> connection;
    std::vector<std::string> events;

    void open() {
        dial = provider->dialer->dial([this](DialResult result) {
            connection = std::make_unique<upstream::Connection>(
                reactor, provider, std::move(*result), provider->slots.request(nullptr),
                provider->login_credentials().value());
            connection->set_notify([this] { turn(); });
            turn();
        });
        reactor.run_until_idle();
    }
    // Until it needs input; after a failure no further, as its user would.
    void turn() {
        while (connection && !failed()) {
            const std::string told = describe(connection->next());
            if (told == "need input") return;
            events.push_back(told);
        }
    }
    void run() {
        turn();
        reactor.run_until_idle();
    }
    [[nodiscard]] bool failed() const {
        return !events.empty() && (last().starts_with("failed") || last() == "closed");
    }
    [[nodiscard]] std::string last() const { return events.empty() ? "" : events.back(); }
    [[nodiscard]] smtp::Client& client() const { return connection->client(); }
    [[nodiscard]] Wire& wire() { return *upstream.last().wire; }

    void mail() {
        client().mail(path("<a@example.com>", smtp::PathKind::reverse), {});
        run();
    }
    void rcpt() {
        client().rcpt(path("<b@example.com>"), {});
        run();
    }
    void data() {
        client().data();
        run();
    }
    void envelope() {
        mail();
        rcpt();
        data();
        REQUIRE(last() == "reply 354");
    }
};

}  // namespace waxseal::testing
