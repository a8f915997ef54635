// A whole session in memory: a device, the relay, a scripted upstream, a log. Header only, because
// test_support is linked below relay/ and upstream/; include it from targets that link those.
//
//   World world;                       // change world.settings, world.provider(), world.upstream
//   Device& device = world.connect();  // the greeting has come
//   device.say("EHLO printer\r\n");    // sends, and lets everything happen that takes no time
//   CHECK(device.last() == "250 ...");
//
// world.log has every event that was logged, world.spills the temporary files. At its end a World
// destroys the sessions first and the reactor last, so that whatever is still held shows up in
// AddressSanitizer.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "relay/proxy.hpp"
#include "unit/support/provider.hpp"
#include "unit/support/scripted_upstream.hpp"
#include "unit/support/sim.hpp"
#include "unit/support/sim_worker.hpp"
#include "unit/support/spill.hpp"

namespace waxseal::testing {

// The downstream's end of a session.
class Device {
  public:
    Device(FakeReactor& reactor, std::shared_ptr<Wire> wire_)
        : wire(std::move(wire_)), reactor_(reactor) {}

    std::shared_ptr<Wire> wire;

    // Sends, and lets everything happen that takes no time. Returns what has come back since.
    std::string say(std::string_view octets) {
        wire->feed(octets);
        return listen();
    }
    std::string listen() {
        reactor_.run_until_idle();
        const std::size_t from = std::exchange(seen_, wire->sent().size());
        return wire->sent().substr(from);
    }
    void hang_up(EndOfInput how = EndOfInput::clean) {
        wire->end(how);
        reactor_.run_until_idle();
    }
    // All complete replies so far, each with its lines and line ends.
    [[nodiscard]] std::vector<std::string> replies() const {
        std::vector<std::string> all;
        std::string reply;
        const std::string& octets = wire->sent();
        for (std::size_t at = 0; at < octets.size();) {
            const std::size_t end = octets.find("\r\n", at);
            if (end == std::string::npos) break;
            reply += octets.substr(at, end + 2 - at);
            if (end - at < 4 || octets[at + 3] != '-') all.push_back(std::exchange(reply, {}));
            at = end + 2;
        }
        return all;
    }
    [[nodiscard]] std::string last() const {
        const auto all = replies();
        return all.empty() ? std::string() : all.back();
    }
    [[nodiscard]] bool closed() const { return wire->fate() != Fate::open; }

  private:
    FakeReactor& reactor_;
    std::size_t seen_ = 0;
};

// Built in this order, destroyed in the other.
class World {
  public:
    explicit World(ScriptedUpstream::Options options = {}, std::size_t slots = 10)
        : upstream(reactor, options), settings(std::make_shared<relay::SessionSettings>()) {
        settings->listener = "127.0.0.1:2525";
        settings->server = {"relay.test", smtp::LineEndings::repair, 50U << 20U, 1000, 20};
        settings->server.reading = smtp::Reading::tolerant;
        settings->providers = {make_provider(reactor, upstream, "default", slots)};
        settings->downstream_idle = std::chrono::minutes(5);
        settings->tls_handshake = std::chrono::seconds(15);
        proxy = std::make_unique<relay::Proxy>(reactor, worker, spills.factory(), door);
    }
    // As the prober does: what is kept ready keeps its provider.
    ~World() {
        proxy.reset();
        close_pools(settings->providers);
        for (const auto& [name, providers] : settings->by_name) close_pools(providers);
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    static void close_pools(const upstream::Connector::Providers& providers) {
        for (const auto& provider : providers)
            if (provider->pool) provider->pool->close();
    }

    LogCapture log;
    // Sessions may be destroyed as late as the reactor is.
    Spills spills;
    std::shared_ptr<relay::Door> door = std::make_shared<relay::Door>(0);  // ids: 1, 2, …
    FakeReactor reactor;
    FakeWorker worker{reactor};
    ScriptedUpstream upstream;
    std::shared_ptr<relay::SessionSettings> settings;
    std::unique_ptr<relay::Proxy> proxy;
    std::vector<std::unique_ptr<Device>> devices;
    Wire::Options wire_options;  // of the devices that connect from now on

    [[nodiscard]] upstream::Provider& provider(std::size_t i = 0) const {
        return *settings->providers.at(i);
    }
    [[nodiscard]] FakeDialer& dialer(std::size_t i = 0) const {
        return static_cast<FakeDialer&>(*provider(i).dialer);
    }
    Device& connect(bool writes_at_once = false, std::string_view address = "192.0.2.1") {
        Wire::Options options = wire_options;
        options.writes_at_once = writes_at_once;
        auto wire = Wire::make(reactor, options);
        devices.push_back(std::make_unique<Device>(reactor, wire));
        proxy->accept(wire->channel(), *parse_ip(address),
                      {settings, {*parse_network("192.0.2.0/24")}, {1000, 100}});
        devices.back()->listen();
        return *devices.back();
    }
};

}  // namespace waxseal::testing
