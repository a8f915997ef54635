// What takes more than one key to judge: the second half of validation, on what is left after flags
// and environment have replaced what they replace. Fills in the defaults that depend on other keys.
#pragma once

#include <string>
#include <vector>

#include "config/sections.hpp"

namespace waxseal::config {

struct Directories {
    std::string file;     // what paths in the file are relative to
    std::string working;  // the same for flags and environment
};

void check_upstreams(std::vector<Draft<Upstream>>& drafts, const Directories& directories,
                     Problems& problems);
void check_listeners(std::vector<Draft<Listen>>& drafts,
                     const std::vector<Draft<Upstream>>& upstreams, Problems& problems);
void check_timeouts(const Draft<Timeouts>& draft, Problems& problems);

}  // namespace waxseal::config
