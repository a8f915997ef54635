// How waxseal logs in at one upstream.
#pragma once

#include "config/problems.hpp"
#include "config/sections.hpp"

namespace waxseal::config {

// `passthrough`: a listener leads there that passes on the credentials of its devices.
void check_login(Draft<Upstream>& draft, bool passthrough, Problems& problems);

}  // namespace waxseal::config
