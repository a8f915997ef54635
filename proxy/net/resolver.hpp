// Name lookup that never blocks a loop and never waits longer than it was told to.
//
// The system's resolver (getaddrinfo: hosts file, nsswitch, DNS) blocks and cannot be cancelled, so
// it runs on a few threads of our own, not on libuv's pool, where one slow name server would stall
// everything else. Bounds: threads, one lookup a name at a time however many ask (single flight),
// names waiting, and a deadline for everyone who asks; a name nobody waits for any more is not
// looked up. Good answers are kept for a short time, failures are not. IP addresses and "localhost"
// (RFC 6761 6.3) are answered without a lookup. Threads: one Resolver serves all workers; each
// query belongs to the loop it was made on. Flow: query(); the callback comes once, from that loop,
// never from inside query(). Destroying the Query cancels.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/reactor.hpp"
#include "net/address.hpp"
#include "net/loop.hpp"

namespace waxseal::net {

// The addresses in the order of preference (port 0), or why there are none, as a line for a person.
using Lookup = std::expected<std::vector<Address>, std::string>;

// Blocks as long as it likes. Called on a lookup thread.
using LookupFunction = std::function<Lookup(const std::string& host)>;
[[nodiscard]] Lookup system_lookup(const std::string& host);

struct ResolverOptions {
    LookupFunction lookup = system_lookup;
    std::size_t threads = 4;
    std::size_t waiting = 256;  // names, besides those being looked up
    Duration keep{30'000};      // getaddrinfo hides the TTL, so the time is short
};

class Resolver {
  public:
    // A question under way.
    class Query {
      public:
        ~Query();
        Query(const Query&) = delete;
        Query& operator=(const Query&) = delete;

      private:
        friend class Resolver;
        struct State;
        explicit Query(std::shared_ptr<State> state);
        std::shared_ptr<State> state_;
    };

    explicit Resolver(ResolverOptions options = {});
    // Does not wait for lookups that block: their threads end by themselves.
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    [[nodiscard]] std::unique_ptr<Query> query(Loop& loop, const std::string& host,
                                               Duration deadline,
                                               std::function<void(const Lookup&)> on_answer);

  private:
    struct Pool;
    std::shared_ptr<Pool> pool_;
};

}  // namespace waxseal::net
