// What a downstream hears when something went wrong on the other side: the reply table, in one
// place.
#pragma once

#include "base/error.hpp"
#include "smtp/reply.hpp"

namespace waxseal::relay {

// 4yz by cause, before end-of-data. Names no host and quotes nothing: the details are in the log.
[[nodiscard]] smtp::Reply reply_for(FailureKind kind);
// The connection was lost between end-of-data and its reply: whether the message was accepted is
// not known.
[[nodiscard]] smtp::Reply outcome_unknown();
// The upstream's own code and text, cleaned. 421 becomes 451: it is the upstream that closes, not
// this session.
[[nodiscard]] smtp::Reply for_downstream(const smtp::Reply& upstream);

namespace farewell {
[[nodiscard]] smtp::Reply draining();
[[nodiscard]] smtp::Reply idle();
[[nodiscard]] smtp::Reply login_lost();
[[nodiscard]] smtp::Reply not_allowed();
[[nodiscard]] smtp::Reply too_many_sessions();
[[nodiscard]] smtp::Reply too_many_from_client();
[[nodiscard]] smtp::Reply too_fast();
[[nodiscard]] smtp::Reply too_slow();
}  // namespace farewell

}  // namespace waxseal::relay
