// Asks one upstream, once, what it offers: connects, logs in, remembers the EHLO
// (Provider::last_offer), says QUIT. Done at start, so that the first downstream's EHLO is already
// answered from facts; a failure is only logged, since each session tries for itself.
#pragma once

#include <functional>
#include <memory>

#include "base/reactor.hpp"
#include "upstream/connector.hpp"

namespace waxseal::upstream {

class Probe {
  public:
    // `done` is called once, through the reactor, with whether the login succeeded. Destroying the
    // probe cancels it.
    Probe(Reactor& reactor, std::shared_ptr<Provider> provider, std::function<void(bool)> done);
    ~Probe() { *done_ = nullptr; }
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;

  private:
    void advance();

    Reactor& reactor_;
    std::shared_ptr<std::function<void(bool)>> done_;  // emptied at destruction
    std::unique_ptr<Connector> connector_;
};

}  // namespace waxseal::upstream
