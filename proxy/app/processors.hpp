// How many workers "auto" means: the processors that this process may use, by affinity and by the
// CPU quota of its cgroup and of those around it.
#pragma once

#include <optional>
#include <string_view>

namespace waxseal::app {

// From 1 to 64. `configured`: [server] workers, 0 is auto.
[[nodiscard]] unsigned worker_count(unsigned configured);

// Of a cgroup's cpu.max ("200000 100000", "max 100000"), rounded up; nothing: no quota.
[[nodiscard]] std::optional<unsigned> parse_quota(std::string_view cpu_max);

}  // namespace waxseal::app
