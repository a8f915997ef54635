// ESMTP parameters of MAIL and RCPT: parsed, checked, and rebuilt; an allow-list, never a
// pass-through.
//
// SIZE RFC 1870; BODY RFC 6152; SMTPUTF8 RFC 6531; RET, ENVID, NOTIFY, ORCPT RFC 3461; AUTH RFC
// 4954 5 (validated, then replaced by AUTH=<>: the device is not authenticated at the upstream). A
// parameter given twice, a value where none is due or missing where one is, or a bad value is 501
// 5.5.4; an unknown parameter is 555 5.5.4. A SIZE of 20 digits that does not fit a number is the
// largest number, so that the answer to it is 552. An ORCPT of another address type than rfc822 is
// checked and dropped.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "smtp/capabilities.hpp"
#include "smtp/reply.hpp"

namespace waxseal::smtp {

enum class Body { unspecified, seven_bit, eight_bit_mime };
enum class Ret { unspecified, full, headers };

struct MailParameters {
    std::optional<std::uint64_t> size;
    Body body = Body::unspecified;
    Ret ret = Ret::unspecified;
    std::string envid;  // xtext as received, validated; empty when absent
    bool smtputf8 = false;
    bool auth = false;  // an AUTH= parameter was given
    friend bool operator==(const MailParameters&, const MailParameters&) = default;
};

// RFC 3461 4.1: NEVER stands alone.
struct Notify {
    bool never = false;
    std::uint8_t events = 0;  // bits below
    static constexpr std::uint8_t success = 1, failure = 2, delay = 4;
    friend bool operator==(const Notify&, const Notify&) = default;
};

struct RcptParameters {
    std::optional<Notify> notify;
    std::string orcpt;  // "rfc822;xtext" as received, validated; empty when absent
    friend bool operator==(const RcptParameters&, const RcptParameters&) = default;
};

[[nodiscard]] std::expected<MailParameters, Reply> parse_mail_parameters(std::string_view text);
[[nodiscard]] std::expected<RcptParameters, Reply> parse_rcpt_parameters(std::string_view text);

// The text to put behind the path, each parameter with a leading space, only what `offered` allows:
// SIZE when the upstream has SIZE, BODY when 8BITMIME, SMTPUTF8 when SMTPUTF8,
// RET/ENVID/NOTIFY/ORCPT when DSN, AUTH=<> when the downstream gave AUTH= and the upstream has
// AUTH.
[[nodiscard]] std::string write(const MailParameters& parameters, const Capabilities& offered);
[[nodiscard]] std::string write(const RcptParameters& parameters, const Capabilities& offered);

// RFC 3461 4 xtext: printable ASCII without '+' and '=', and "+HH" with upper-case digits; what
// decodes to a control octet (CR, LF, NUL, …) is refused.
[[nodiscard]] bool valid_xtext(std::string_view text) noexcept;
// Any octets as xtext; controls too, so that what is written is one word whatever it says.
[[nodiscard]] std::string xtext(std::string_view octets);

}  // namespace waxseal::smtp
