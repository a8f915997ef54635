#include "upstream/probe.hpp"

#include <utility>

#include "base/log.hpp"

namespace waxseal::upstream {

Probe::Probe(Reactor& reactor, std::shared_ptr<Provider> provider, std::function<void(bool)> done)
    : reactor_(reactor), done_(std::make_shared<std::function<void(bool)>>(std::move(done))) {
    // XCLIENT for nobody: where it is refused to the sessions, it is to the probe.
    connector_ = std::make_unique<Connector>(reactor, Connector::Providers{std::move(provider)},
                                             Borrower{.label = "probe", .client = smtp::Xclient{}},
                                             [this] { advance(); });
}

void Probe::advance() {
    if (!connector_) return;
    auto outcome = connector_->poll();
    if (!outcome) return;
    retire(reactor_, std::exchange(connector_, nullptr));
    const bool ready = outcome->has_value();
    if (ready) {
        Connection& connection = ***outcome;
        log::info("upstream_ready", {{"upstream", connection.provider()->name},
                                     {"address", connection.peer_address()},
                                     {"tls", connection.tls_details().version},
                                     {"cipher", connection.tls_details().cipher_suite},
                                     {"mechanism", connection.client().mechanism()}});
        connection.close();
        connection.set_notify(nullptr);
        retire(reactor_, std::move(**outcome));
    }
    reactor_.defer([done = done_, ready] {
        if (const auto call = std::exchange(*done, nullptr)) call(ready);
    });
}

}  // namespace waxseal::upstream
