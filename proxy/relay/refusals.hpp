// Which refusals and failures of clients are worth a log line: the first of a kind to a client, and
// then one a minute with their number; and never more than ten lines a second, so that no crowd of
// clients fills the log either. Pure; bounded memory. Thread-safe: one for all workers.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "base/network.hpp"
#include "base/reactor.hpp"
#include "base/recent.hpp"
#include "relay/admission.hpp"
#include "relay/preamble.hpp"

namespace waxseal::relay {

class Refusals {
  public:
    // A text is one of a session's own, a literal.
    using Kind = std::variant<Verdict, Preamble::Refused::Cause, std::string_view>;
    Refusals();
    // A refusal took place. The number to log now: of this kind to this client since the last line;
    // nothing when it has to wait.
    [[nodiscard]] std::optional<std::uint64_t> note(Kind kind, const IpAddress& client,
                                                    TimePoint now);
    [[nodiscard]] std::size_t remembered() const;

  private:
    struct Seen {
        std::optional<TimePoint> told;
        std::uint64_t untold = 0;
    };
    mutable std::mutex mutex_;
    Recent<std::pair<Kind, IpAddress>, Seen> seen_;
    TimePoint second_{};  // the present second, and the lines in it
    unsigned lines_ = 0;
};

}  // namespace waxseal::relay
