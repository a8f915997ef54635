#include "relay/replies.hpp"

namespace waxseal::relay {

using smtp::make_reply;
using smtp::Reply;

Reply reply_for(FailureKind kind) {
    switch (kind) {
        case FailureKind::name_lookup:
            return make_reply(451, {4, 4, 3},
                              "The upstream's name could not be resolved; try again later");
        case FailureKind::connect:
            return make_reply(451, {4, 4, 1}, "The upstream cannot be reached; try again later");
        case FailureKind::timeout:
            return make_reply(451, {4, 4, 1},
                              "The upstream did not answer in time; try again later");
        case FailureKind::tls:
            return make_reply(451, {4, 7, 5},
                              "No secure connection to the upstream; try again later");
        case FailureKind::protocol:
            return make_reply(451, {4, 7, 5}, "The upstream broke the protocol; try again later");
        case FailureKind::credentials:
            return make_reply(
                451, {4, 7, 0},
                "The upstream does not accept this relay at the moment; try again later");
        case FailureKind::unavailable:
            return make_reply(451, {4, 4, 1}, "The upstream is not available; try again later");
        case FailureKind::lost:
            return make_reply(451, {4, 4, 2},
                              "The connection to the upstream was lost; try again later");
        case FailureKind::busy:
            return make_reply(451, {4, 3, 2},
                              "All connections to the upstream are busy; try again later");
    }
    return make_reply(451, {4, 3, 0}, "Try again later");
}

Reply outcome_unknown() {
    return make_reply(
        451, {4, 4, 2},
        "The connection to the upstream was lost before it confirmed the message; try again later");
}

Reply for_downstream(const Reply& upstream) {
    Reply reply = smtp::clean(upstream);
    if (reply.code == 421) reply.code = 451;
    return reply;
}

namespace farewell {
Reply draining() { return make_reply(421, {4, 3, 2}, "Service is shutting down; try again later"); }
Reply idle() { return make_reply(421, {4, 4, 2}, "Idle for too long; closing"); }
Reply login_lost() {
    return make_reply(421, {4, 4, 2}, "The upstream has closed; connect and log in again");
}
Reply not_allowed() { return make_reply(554, {5, 7, 1}, "This address may not use this relay"); }
Reply too_many_sessions() {
    return make_reply(421, {4, 3, 2}, "Too many sessions; try again later");
}
Reply too_many_from_client() {
    return make_reply(421, {4, 7, 0}, "Too many sessions from your address; try again later");
}
Reply too_fast() {
    return make_reply(421, {4, 7, 0},
                      "Too many connections in a minute from your address; try again later");
}
Reply too_slow() { return make_reply(421, {4, 4, 2}, "The message comes too slowly; closing"); }
}  // namespace farewell

}  // namespace waxseal::relay
