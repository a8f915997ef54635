// Does a server's text repeat a credential? Eight octets in a row of it are enough, in any of the
// forms in which it went out.
//
// The pieces are views into the forms, sorted, so that a text of 64 KiB against a token of 3 KiB
// costs a few milliseconds and not seconds.
#include <algorithm>
#include <vector>

#include "smtp/base64.hpp"
#include "smtp/sasl.hpp"

namespace waxseal::smtp {

namespace {

constexpr std::size_t piece = 8;

bool share_a_piece(std::string_view text, std::string_view form) {
    if (form.empty()) return false;
    if (form.size() <= piece) return text.contains(form);
    std::vector<std::string_view> pieces;
    pieces.reserve(form.size());
    for (std::size_t i = 0; i + piece <= form.size(); ++i) pieces.push_back(form.substr(i, piece));
    std::sort(pieces.begin(), pieces.end());
    for (std::size_t i = 0; i + piece <= text.size(); ++i) {
        if (std::binary_search(pieces.begin(), pieces.end(), text.substr(i, piece))) return true;
    }
    return false;
}

// Looks for the base64 of `octets`, which it wipes. The first `skip` characters do not count.
bool encoded(std::string_view text, std::string octets, std::size_t skip = 0) {
    std::string form = base64_encode(octets);
    wipe(octets);
    const bool found = share_a_piece(text, std::string_view(form).substr(skip));
    wipe(form);
    return found;
}

bool repeats_password(std::string_view text, const Credentials& credentials) {
    const std::string_view password = credentials.password.reveal();
    if (password.empty()) return false;
    std::string plain;
    plain.reserve(credentials.username.size() + password.size() + 2);
    plain.append(1, '\0').append(credentials.username).append(1, '\0').append(password);
    return share_a_piece(text, password) || encoded(text, std::string(password)) ||
           encoded(text, std::move(plain));
}

// A token travels in the middle of a message: its base64 depends on where in a group of three it
// began, and the group that it began in is not all its own.
bool repeats_token(std::string_view text, std::string_view token) {
    if (token.empty()) return false;
    if (share_a_piece(text, token) || encoded(text, std::string(token))) return true;
    for (const std::size_t before : {std::size_t{1}, std::size_t{2}}) {
        std::string shifted;
        shifted.reserve(before + token.size());
        shifted.append(before, ' ').append(token);
        if (encoded(text, std::move(shifted), 4)) return true;
    }
    return false;
}

}  // namespace

bool repeats(std::string_view text, const Credentials& credentials) {
    return repeats_password(text, credentials) || repeats_token(text, credentials.token.reveal());
}

}  // namespace waxseal::smtp
