// What the tests of upstream/ and relay/ share: the log as a list of events, and a provider whose
// server is scripted. Header only, because test_support is linked below upstream/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/log.hpp"
#include "unit/support/scripted_upstream.hpp"
#include "unit/support/sim.hpp"
#include "upstream/provider.hpp"

namespace waxseal::testing {

// Keeps all events, while it exists. One at a time: the sink is the process's.
class LogCapture {
  public:
    struct Event {
        log::Level level;
        std::string name;
        log::Fields fields;
        std::string line;  // the logfmt line without its time
        // The value of a field as text; empty when there is none.
        [[nodiscard]] std::string operator[](std::string_view key) const {
            for (const log::Field& field : fields) {
                if (field.key() != key) continue;
                if (const auto* text = std::get_if<std::string>(&field.value())) return *text;
                if (const auto* number = std::get_if<std::int64_t>(&field.value()))
                    return std::to_string(*number);
            }
            return {};
        }
    };
    LogCapture() : sink_(std::make_shared<Sink>()) { log::install(sink_, log::Level::debug); }
    ~LogCapture() { log::install(nullptr, log::Level::info); }
    LogCapture(const LogCapture&) = delete;
    LogCapture& operator=(const LogCapture&) = delete;

    [[nodiscard]] const std::vector<Event>& events() const { return sink_->events; }
    [[nodiscard]] std::vector<Event> of(std::string_view name) const {
        std::vector<Event> found;
        for (const Event& event : sink_->events)
            if (event.name == name) found.push_back(event);
        return found;
    }
    [[nodiscard]] std::size_t count(std::string_view name) const { return of(name).size(); }
    [[nodiscard]] std::string all() const {
        std::string text;
        for (const Event& event : sink_->events) text += event.line + "\n";
        return text;
    }

  private:
    struct Sink final : log::Sink {
        std::vector<Event> events;
        void write(log::Level level, std::string_view event,
                   const log::Fields& fields) noexcept override {
            events.push_back({level, std::string(event), fields,
                              log::format(log::Format::logfmt, {}, level, event, fields)});
        }
    };
    std::shared_ptr<Sink> sink_;
};

inline constexpr std::string_view username = "scanner@example.com";
inline constexpr std::string_view password = "p4ssw0rd-never-logged";

// An upstream's provider with the timeouts of interface.md.
inline std::shared_ptr<upstream::Provider> make_provider(FakeReactor& reactor,
                                                         ScriptedUpstream& upstream,
                                                         std::string name = "default",
                                                         std::size_t slots = 10) {
    using namespace std::chrono_literals;
    const auto security = [&] {
        switch (upstream.options.tls) {
            case ScriptedUpstream::Tls::none:
                return smtp::Security::cleartext;
            case ScriptedUpstream::Tls::starttls:
                return smtp::Security::starttls;
            case ScriptedUpstream::Tls::implicit:
                break;
        }
        return smtp::Security::implicit;
    }();
    smtp::ClientSettings client;
    client.hostname = "relay.test";
    client.security = security;
    std::optional<smtp::Credentials> credentials;
    if (security != smtp::Security::cleartext)
        credentials = smtp::Credentials{std::string(username), Secret(password)};
    auto provider = std::make_shared<upstream::Provider>(upstream::Provider{
        .name = std::move(name),
        .dialer = upstream.dialer(),
        .client = std::move(client),
        .credentials = std::move(credentials),
        .timeouts = {.tls_handshake = 15s, .reply = 5min, .data_reply = 10min, .queue = 30s},
        .slots = upstream::Slots(reactor, slots),
        .idle_timeout = 30s,
        .last_offer = std::nullopt,
        // Back-offs to the millisecond, so that a simulation repeats exactly.
        .breaker = upstream::Breaker([] { return 0.5; }),
    });
    provider->pool = std::make_unique<upstream::Pool>(
        reactor, provider->slots,
        upstream::PoolSettings{.idle_connections = 2, .idle_timeout = 30s});
    return provider;
}

}  // namespace waxseal::testing
