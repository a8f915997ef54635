#include "auth/sasl_message.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "smtp/base64.hpp"

namespace waxseal::auth {

namespace {

std::unexpected<Malformed> malformed(const char* reason) {
    return std::unexpected(Malformed{reason});
}

bool printable(std::string_view text) {
    while (!text.empty()) {
        const auto point = text::decode_utf8(text);
        if (!point || !text::printable(point->value)) return false;
        text.remove_prefix(point->length);
    }
    return true;
}

// RFC 5802 5.1: "=2C" is a comma, "=3D" an equals sign, and nothing else begins with one.
std::optional<std::string> decode_saslname(std::string_view text) {
    std::string name;
    while (!text.empty()) {
        const bool comma = text.starts_with("=2C");
        if (text.front() == '=' && !comma && !text.starts_with("=3D")) return std::nullopt;
        const bool escaped = text.front() == '=';
        name += !escaped ? text.front() : comma ? ',' : '=';
        text.remove_prefix(escaped ? 3 : 1);
    }
    return name;
}

// RFC 5802 7: printable ASCII but for the comma.
bool valid_nonce(std::string_view nonce) {
    return !nonce.empty() && nonce.size() <= limits::scram_nonce &&
           std::all_of(nonce.begin(), nonce.end(),
                       [](char c) { return c > ' ' && c <= '~' && c != ','; });
}

// Takes "<key>=<value>" and the comma behind it from the front.
std::optional<std::string_view> take(std::string_view& text, std::string_view key) {
    if (!text.starts_with(key)) return std::nullopt;
    text.remove_prefix(key.size());
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view value = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return value;
}

}  // namespace

std::expected<std::string, Malformed> parse_name(std::string_view text) {
    if (text.empty()) return malformed("the user name is empty");
    if (text.size() > limits::sasl_name) return malformed("the user name is too long");
    if (!printable(text)) return malformed("the user name is not printable UTF-8");
    return std::string(text);
}

std::expected<Secret, Malformed> parse_password(std::string_view text) {
    if (text.empty()) return malformed("the password is empty");
    if (text.size() > limits::sasl_password) return malformed("the password is too long");
    if (!text::valid_utf8(text)) return malformed("the password is not UTF-8");
    if (text.find_first_of(std::string_view("\0\r\n", 3)) != std::string_view::npos)
        return malformed("the password holds a NUL or a line end");
    return Secret(text);
}

std::expected<PlainMessage, Malformed> parse_plain(std::string_view message) {
    const std::size_t first = message.find('\0');
    const std::size_t second =
        first == std::string_view::npos ? first : message.find('\0', first + 1);
    if (second == std::string_view::npos) return malformed("PLAIN needs two NULs");
    PlainMessage plain;
    if (first != 0) {
        auto authzid = parse_name(message.substr(0, first));
        if (!authzid) return std::unexpected(std::move(authzid).error());
        plain.authzid = *std::move(authzid);
    }
    auto name = parse_name(message.substr(first + 1, second - first - 1));
    if (!name) return std::unexpected(std::move(name).error());
    auto password = parse_password(message.substr(second + 1));
    if (!password) return std::unexpected(std::move(password).error());
    plain.name = *std::move(name);
    plain.password = *std::move(password);
    return plain;
}

std::expected<CramMessage, Malformed> parse_cram(std::string_view message) {
    const std::size_t space = message.rfind(' ');  // a name may hold one
    if (space == std::string_view::npos) return malformed("CRAM-MD5 needs a name and a digest");
    auto name = parse_name(message.substr(0, space));
    if (!name) return std::unexpected(std::move(name).error());
    std::string digest = text::to_lower(message.substr(space + 1));
    if (digest.size() != 32 || digest.find_first_not_of("0123456789abcdef") != std::string::npos)
        return malformed("the digest is not 32 hexadecimal digits");
    return CramMessage{*std::move(name), std::move(digest)};
}

std::expected<ScramFirst, Malformed> parse_scram_first(std::string_view message) {
    if (message.starts_with("p=")) return malformed("channel binding is not offered");
    if (!message.starts_with("n,") && !message.starts_with("y,"))
        return malformed("SCRAM begins with n,, or y,,");
    const std::size_t end = message.find(',', 2);
    if (end == std::string_view::npos) return malformed("the gs2 header has no end");
    ScramFirst result;
    result.gs2_header = message.substr(0, end + 1);
    result.bare = message.substr(end + 1);
    if (std::string_view rest = message.substr(2, end - 2); !rest.empty()) {
        const auto encoded = take(rest, "a=");
        const auto decoded = encoded ? decode_saslname(*encoded) : std::nullopt;
        auto authzid = parse_name(decoded.value_or(""));
        if (!authzid) return malformed("the authorisation identity is not a name");
        result.authzid = *std::move(authzid);
    }
    std::string_view rest = result.bare;
    if (rest.starts_with("m=")) return malformed("a mandatory extension that is not known");
    const auto encoded = take(rest, "n=");
    const auto decoded = encoded ? decode_saslname(*encoded) : std::nullopt;
    if (!decoded) return malformed("SCRAM needs n= and a name");
    auto name = parse_name(*decoded);
    if (!name) return std::unexpected(std::move(name).error());
    result.name = *std::move(name);
    const auto nonce = take(rest, "r=");
    if (!nonce || !valid_nonce(*nonce)) return malformed("SCRAM needs r= and a nonce");
    result.nonce = *nonce;
    return result;
}

std::expected<ScramFinal, Malformed> parse_scram_final(std::string_view message) {
    const std::size_t end = message.rfind(",p=");
    if (end == std::string_view::npos) return malformed("SCRAM needs p= and a proof at its end");
    ScramFinal result;
    result.without_proof = message.substr(0, end);
    auto proof = smtp::base64_decode(message.substr(end + 3));
    if (!proof || proof->size() != 32) return malformed("the proof is not 32 octets in base64");
    result.proof = *std::move(proof);
    std::string_view rest = result.without_proof;
    const auto encoded = take(rest, "c=");
    auto binding = encoded ? smtp::base64_decode(*encoded) : std::nullopt;
    if (!binding) return malformed("SCRAM needs c= and the gs2 header in base64");
    result.binding = *std::move(binding);
    const auto nonce = take(rest, "r=");
    if (!nonce) return malformed("SCRAM needs r= and the nonce");
    result.nonce = *nonce;
    return result;
}

}  // namespace waxseal::auth
