// Keeps the pools of a worker as full as devices will need them (upstream/pool.hpp): opens
// connections ahead, one at a time for each upstream; who needs more at once opens them itself.
//
// Flow: construct; destroying it cancels what is under way and closes the pools. One for a set of
// providers. Single-threaded.
#pragma once

#include <list>
#include <memory>
#include <vector>

#include "base/reactor.hpp"
#include "upstream/probe.hpp"
#include "upstream/provider.hpp"

namespace waxseal::upstream {

class Keeper {
  public:
    Keeper(Reactor& reactor, std::vector<std::shared_ptr<Provider>> providers);
    ~Keeper();
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

  private:
    struct Kept {
        std::shared_ptr<Provider> provider;
        std::unique_ptr<Probe> opening;
    };
    void open_ahead(Kept& kept);

    Reactor& reactor_;
    std::list<Kept> kept_;
};

}  // namespace waxseal::upstream
