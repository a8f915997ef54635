// The body at the server machine: decoded, judged as a whole, and read to its true end whatever is
// the matter with it.
#include <algorithm>
#include <cassert>
#include <utility>

#include "base/limits.hpp"
#include "smtp/server.hpp"

namespace waxseal::smtp {

namespace event = server_event;

ServerEvent Server::take_body() {
    assert(body_);
    if (body_->ended) {
        const BodyVerdict verdict = judge();
        const DataFindings findings = body_->decoder.findings();
        body_.reset();
        owed_ = Owed::message;
        return event::BodyEnd{verdict, findings};
    }
    static thread_local std::string decoded;
    decoded.clear();
    while (decoded.empty()) {
        const std::string_view chunk = input_.front().substr(0, limits::read_block);
        if (chunk.empty()) return no_input();
        const DataDecoder::Progress progress = body_->decoder.decode(chunk, decoded);
        input_.consume(progress.consumed);
        body_->ended = progress.ended;
        body_->consumed += progress.consumed;
        if (endless()) {
            return finish(
                make_reply(552, {5, 3, 4}, "Message is too large and does not end; closing"),
                "message does not end");
        }
        if (judge() != BodyVerdict::acceptable) {
            decoded.clear();
            if (!std::exchange(body_->refusal_told, true)) return event::BodyRefused{judge()};
        }
        if (body_->ended) break;
    }
    if (decoded.empty()) return take_body();
    return event::Body{decoded};
}

// Line endings and dots that go out shorter or longer never make a difference of half.
bool Server::endless() const noexcept {
    const std::uint64_t most = settings_.max_message_size + settings_.max_message_size / 2;
    return !body_->ended && body_->consumed > most + limits::body_discard;
}

BodyVerdict Server::judge() const noexcept {
    switch (body_->decoder.fault()) {
        case DataFault::line_endings:
            return BodyVerdict::line_endings;
        case DataFault::nul:
            return BodyVerdict::nul;
        case DataFault::line_too_long:
            return BodyVerdict::line_too_long;
        case DataFault::none:
            break;
    }
    if (settings_.long_lines == LongLines::reject && body_->decoder.findings().long_lines != 0)
        return BodyVerdict::line_too_long;
    const bool too_big = body_->decoder.findings().octets > settings_.max_message_size;
    return too_big ? BodyVerdict::too_big : BodyVerdict::acceptable;
}

std::string_view to_string(BodyVerdict verdict) noexcept {
    switch (verdict) {
        case BodyVerdict::acceptable:
            return "acceptable";
        case BodyVerdict::line_endings:
            return "line_endings";
        case BodyVerdict::nul:
            return "nul";
        case BodyVerdict::line_too_long:
            return "line_too_long";
        case BodyVerdict::too_big:
            return "too_big";
    }
    return "?";
}

Reply refusal(BodyVerdict verdict) {
    switch (verdict) {
        case BodyVerdict::line_endings:
            return make_reply(550, {5, 6, 11},
                              "Message has bare CR or bare LF; lines must end in CRLF");
        case BodyVerdict::nul:
            return make_reply(550, {5, 6, 0}, "Message has a NUL octet");
        case BodyVerdict::line_too_long:
            return make_reply(554, {5, 6, 0}, "Message has a line that is too long");
        case BodyVerdict::too_big:
            return make_reply(552, {5, 3, 4}, "Message is larger than the limit");
        case BodyVerdict::acceptable:
            break;
    }
    return make_reply(451, {4, 3, 0}, "Message was not passed on");
}

}  // namespace waxseal::smtp
