#include "app/processors.hpp"

#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "base/number.hpp"

namespace waxseal::app {

namespace {

constexpr unsigned most = 64;

unsigned affinity() {
    cpu_set_t set;
    CPU_ZERO(&set);
    // Fails on machines of more than 1024 processors: there "most" decides.
    if (sched_getaffinity(0, sizeof set, &set) != 0) return std::thread::hardware_concurrency();
    return static_cast<unsigned>(CPU_COUNT(&set));
}

// Ours in the unified hierarchy: the line "0::/path". In a container "/" is its own.
std::string cgroup() {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("0::/")) return line.substr(4);
    return {};
}

unsigned quota() {
    const std::filesystem::path root = "/sys/fs/cgroup";
    unsigned least = most;
    for (std::filesystem::path at = root / cgroup();; at = at.parent_path()) {
        std::ifstream file(at / "cpu.max");
        if (std::string line; std::getline(file, line))
            least = std::min(least, parse_quota(line).value_or(most));
        if (at == root || !at.has_relative_path()) return least;
    }
}

}  // namespace

std::optional<unsigned> parse_quota(std::string_view cpu_max) {
    const std::size_t space = cpu_max.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    const auto used = text::number<std::uint64_t>(cpu_max.substr(0, space));
    const auto period = text::number<std::uint64_t>(cpu_max.substr(space + 1));
    if (!used || !period || *period == 0 || *used > most * *period) return std::nullopt;
    return static_cast<unsigned>((*used + *period - 1) / *period);
}

unsigned worker_count(unsigned configured) {
    if (configured != 0) return std::min(configured, most);
    return std::clamp(std::min(affinity(), quota()), 1U, most);
}

}  // namespace waxseal::app
