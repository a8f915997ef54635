// The tests' key to VerifiedPeer: makes the proof that only a verified TLS session can make.
#pragma once

#include "base/verified.hpp"

namespace waxseal::testing {

struct VerifiedAccess {
    static VerifiedPeer make() { return VerifiedPeer(); }
};

}  // namespace waxseal::testing
