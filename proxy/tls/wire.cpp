#include "tls/wire.hpp"

#include <mbedtls/ssl.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace waxseal::tls {

namespace {

// RFC 8446 5.1: change_cipher_spec, alert, handshake, application_data.
constexpr bool is_record_type(unsigned char octet) noexcept { return octet >= 20 && octet <= 23; }

}  // namespace

bool Wire::plaintext() const noexcept {
    return records_ == 0 && at_boundary() && !in_.empty() &&
           !is_record_type(static_cast<unsigned char>(in_.front().front()));
}

// Within what keep_hello() has reserved, if it was called.
void Wire::keep_of_hello(std::string_view octets) noexcept {
    if (hello_.capacity() < hello_kept || header_[0] != MBEDTLS_SSL_MSG_HANDSHAKE) return;
    hello_.append(octets.substr(0, hello_kept - std::min(hello_kept, hello_.size())));
}

void Wire::follow(std::string_view octets) noexcept {
    partial_ += octets.size();
    for (std::size_t i = 0; i < octets.size();) {
        if (body_left_ == 0) {
            header_[header_have_++] = static_cast<unsigned char>(octets[i++]);
            if (header_have_ < header_.size()) continue;
            header_have_ = 0;
            body_left_ = body_size();
        } else {
            const std::size_t n = std::min(body_left_, octets.size() - i);
            keep_of_hello(octets.substr(i, n));
            body_left_ -= n;
            i += n;
            description_ = static_cast<unsigned char>(octets[i - 1]);
        }
        if (body_left_ == 0) {
            partial_ = 0;
            ++records_;
        }
    }
}

int Wire::on_send(void* wire, const unsigned char* octets, std::size_t size) noexcept {
    // Always all of it: a partial write would make mbedTLS ask for a repetition with the same
    // arguments, and take other ones for sent (it does not check).
    try {
        static_cast<Wire*>(wire)->out_.append({reinterpret_cast<const char*>(octets), size});
    } catch (const std::bad_alloc&) {
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    }
    return static_cast<int>(size);
}

int Wire::on_receive(void* wire, unsigned char* octets, std::size_t size) noexcept {
    Wire& self = *static_cast<Wire*>(wire);
    if (self.at_boundary() && !self.may_begin_) {
        self.outcome_ = Outcome::gated;
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    if (self.body_left_ > self.largest_) return MBEDTLS_ERR_SSL_INVALID_RECORD;
    if (self.in_.empty()) {
        self.outcome_ = self.ended_ ? Outcome::ended : Outcome::starved;
        return self.ended_ ? 0 : MBEDTLS_ERR_SSL_WANT_READ;
    }
    if (self.at_boundary()) self.may_begin_ = false;
    const std::string_view part = self.in_.front().substr(0, size);
    std::memcpy(octets, part.data(), part.size());
    self.follow(part);
    self.in_.consume(part.size());
    return static_cast<int>(part.size());
}

}  // namespace waxseal::tls
