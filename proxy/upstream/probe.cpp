#include "upstream/probe.hpp"

#include <utility>

#include "base/log.hpp"

namespace waxseal::upstream {

Probe::Probe(Reactor& reactor, std::shared_ptr<Provider> provider, Why why,
             std::function<void(bool)> done)
    : reactor_(reactor),
      done_(std::make_shared<std::function<void(bool)>>(std::move(done))),
      opening_(provider->shares() ? provider->pool->opening() : nullptr),
      why_(why) {
    // XCLIENT for nobody: where it is refused to the sessions, it is to the probe.
    connector_ = std::make_unique<Connector>(
        reactor, Connector::Providers{std::move(provider)},
        Borrower{.label = "probe", .client = smtp::Xclient{}, .fresh = true},
        [this] { advance(); });
}

void Probe::advance() {
    if (!connector_) return;
    auto outcome = connector_->poll();
    if (!outcome) return;
    retire(reactor_, std::exchange(connector_, nullptr));
    const bool ready = outcome->has_value();
    if (ready) leave(std::move(**outcome));
    opening_.reset();  // only now: who waited for it has had its chance
    reactor_.defer([done = done_, ready] {
        if (const auto call = std::exchange(*done, nullptr)) call(ready);
    });
}

void Probe::leave(std::unique_ptr<Connection> connection) {
    const auto level = why_ == Why::unknown ? log::Level::info : log::Level::debug;
    log::emit(level, "upstream_ready",
              {{"upstream", connection->provider()->name},
               {"address", connection->peer_address()},
               {"tls", connection->tls_details().version},
               {"cipher", connection->tls_details().cipher_suite},
               {"mechanism", connection->client().mechanism()}});
    const auto provider = connection->provider();
    connection->set_notify(nullptr);
    if (provider->shares()) return provider->pool->give(std::move(connection));
    connection->close();
    retire(reactor_, std::move(connection));
}

}  // namespace waxseal::upstream
