// Asks upstreams whether they work, in the background: each once at the start, and one that is down
// whenever its breaker's back-off is over. So no session pays for finding out that a dead upstream
// is still dead, and one that works again is used again soon.
//
// Flow: construct; destroying it ends what is under way. One for a set of providers.
// Single-threaded.
#pragma once

#include <memory>
#include <vector>

#include "base/reactor.hpp"
#include "upstream/probe.hpp"
#include "upstream/provider.hpp"

namespace waxseal::upstream {

class Prober {
  public:
    Prober(Reactor& reactor, std::vector<std::shared_ptr<Provider>> providers);
    ~Prober();
    Prober(const Prober&) = delete;
    Prober& operator=(const Prober&) = delete;

  private:
    struct Watched {
        std::shared_ptr<Provider> provider;
        std::unique_ptr<Probe> probe;  // while one is under way
    };
    void probe(Watched& watched);
    void probe_due();
    void rearm();

    Reactor& reactor_;
    std::vector<Watched> watched_;
    std::unique_ptr<Alarm> alarm_;
};

}  // namespace waxseal::upstream
