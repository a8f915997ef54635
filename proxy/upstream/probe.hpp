// Opens one connection for nobody in particular: connects, logs in, remembers the EHLO
// (Provider::last_offer), and leaves the connection to the pool; where there is none, it says QUIT.
// Done at start, so that the first downstream's EHLO is already answered from facts; to find out
// whether an upstream works again; and when a device will soon need one. A failure is only logged,
// since each session tries for itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/reactor.hpp"
#include "upstream/connector.hpp"

namespace waxseal::upstream {

class Probe {
  public:
    // `done` is called once, through the reactor, with whether the login succeeded. Destroying the
    // probe cancels it. `why` names it in the log.
    enum class Why : std::uint8_t { unknown, ahead };
    Probe(Reactor& reactor, std::shared_ptr<Provider> provider, Why why,
          std::function<void(bool)> done);
    ~Probe() { *done_ = nullptr; }
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;

  private:
    void advance();
    void leave(std::unique_ptr<Connection> connection);

    Reactor& reactor_;
    std::shared_ptr<std::function<void(bool)>> done_;  // emptied at destruction
    std::unique_ptr<Pool::Opening> opening_;
    std::unique_ptr<Connector> connector_;
    Why why_;
};

}  // namespace waxseal::upstream
