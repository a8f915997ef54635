#include "base/error.hpp"

namespace waxseal {

std::string_view to_string(FailureKind kind) noexcept {
    switch (kind) {
        case FailureKind::name_lookup:
            return "name_lookup";
        case FailureKind::connect:
            return "connect";
        case FailureKind::timeout:
            return "timeout";
        case FailureKind::tls:
            return "tls";
        case FailureKind::protocol:
            return "protocol";
        case FailureKind::credentials:
            return "credentials";
        case FailureKind::unavailable:
            return "unavailable";
        case FailureKind::lost:
            return "lost";
        case FailureKind::busy:
            return "busy";
    }
    return "unknown";
}

}  // namespace waxseal
