// See sink_connection.hpp.
#include "sink_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>

namespace waxseal::bench {

namespace {

constexpr std::size_t longest_line = 16 * 1024;

std::string verb_of(std::string_view line) {
    std::string verb(line.substr(0, line.find_first_of(" :")));
    for (char& letter : verb)
        letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    return verb;
}

}  // namespace

SinkConnection::SinkConnection(SinkState& state, int socket)
    : state_(state), wire_(socket), allowance_(state.options.rate == 0 ? UINT64_MAX : 4096) {
    const int on = 1;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++state_.connections;
    state_.most = std::max(state_.most, ++state_.open);
    if (state_.options.mode == Mode::implicit) wire_.secure(state_.tls.get());
    output_ = "220 sink.bench.example ESMTP\r\n";
    epoll_event event{};
    event.events = watched_ = EPOLLIN;
    event.data.ptr = this;
    (void)epoll_ctl(state_.poll, EPOLL_CTL_ADD, socket, &event);
}

bool SinkConnection::renew(std::uint64_t octets) {
    allowance_ = std::min(allowance_ + octets, state_.options.rate);
    return turn();
}

bool SinkConnection::turn() {
    receive();
    flush();
    count_handshake();
    if (!over_) watch();
    return !over_;
}

void SinkConnection::receive() {
    while (allowance_ > 0 && !over_) {
        std::size_t size = 0;
        const std::size_t most = std::min<std::uint64_t>(state_.block.size(), allowance_);
        const Wire::Result result = wire_.read(std::span(state_.block).first(most), size);
        if (result == Wire::Result::wait) return;
        if (result == Wire::Result::ended) {
            over_ = true;
            return;
        }
        if (state_.options.rate != 0) allowance_ -= size;
        std::string_view input(state_.block.data(), size);
        while (!input.empty() && !over_) input.remove_prefix(take(input));
        // In clear less than was asked for is all there is: saves asking again.
        if (wire_.tls() == Wire::Tls::none && size < most) return;
    }
}

void SinkConnection::count_handshake() {
    const Wire::Tls now = wire_.tls();
    if (now == seen_) return;
    seen_ = now;
    if (now == Wire::Tls::full) ++state_.full;
    if (now == Wire::Tls::resumed) ++state_.resumed;
    if (now != Wire::Tls::under_way) state_.latest = wire_.details();
}

// How much of the input it has used, at least one octet.
std::size_t SinkConnection::take(std::string_view input) {
    if (phase_ == Phase::chunk) return take_chunk(input);
    if (phase_ == Phase::data) return take_body(input);
    const std::size_t end = input.find('\n');
    line_ += input.substr(0, end);
    if (line_.size() > longest_line) over_ = true;
    if (end == std::string_view::npos) return input.size();
    if (line_.ends_with('\r')) line_.pop_back();
    const std::string line = std::move(line_);
    line_.clear();
    on_command(line);
    return end + 1;
}

std::size_t SinkConnection::take_body(std::string_view input) {
    const std::uint64_t before = body_->octets();
    const std::size_t used = body_->receive(input);
    state_.octets += body_->octets() - before;
    if (body_->ended()) end_message();
    return used;
}

std::size_t SinkConnection::take_chunk(std::string_view input) {
    const std::string_view part = input.substr(0, chunk_);
    body_->keep(part);
    state_.octets += part.size();
    chunk_ -= part.size();
    if (chunk_ == 0) {
        phase_ = Phase::command;
        if (last_chunk_)
            end_message();
        else
            output_ += "250 2.0.0 Go on\r\n";
    }
    return part.size();
}

void SinkConnection::end_message() {
    ++state_.messages;
    phase_ = Phase::command;
    if (state_.options.hash || state_.options.list) {
        std::string line = "message octets=" + std::to_string(body_->octets());
        if (state_.options.hash) line += " sha256=" + body_->sha256();
        for (const std::string& recipient : recipients_) line += " to=" + recipient;
        (void)std::puts(line.c_str());
    }
    body_.reset();
    recipients_.clear();
    output_ += "250 2.0.0 Taken\r\n";
}

void SinkConnection::on_hello() {
    const bool clear = wire_.tls() == Wire::Tls::none;
    output_ += "250-sink.bench.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n";
    output_ += "250-ENHANCEDSTATUSCODES\r\n";
    if (clear && state_.options.mode == Mode::starttls) output_ += "250-STARTTLS\r\n";
    output_ += state_.options.keywords;
    output_ += "250 SIZE\r\n";
}

void SinkConnection::on_command(std::string_view line) {
    const std::string verb = verb_of(line);
    const bool clear = wire_.tls() == Wire::Tls::none;
    if (verb == "EHLO" || verb == "HELO") {
        on_hello();
    } else if (verb == "STARTTLS" && clear && state_.options.mode == Mode::starttls) {
        output_ += "220 2.0.0 Go ahead\r\n";
        flush();
        wire_.secure(state_.tls.get());
    } else if (verb == "QUIT") {
        output_ += "221 2.0.0 Bye\r\n";
        flush();
        over_ = true;
    } else if (clear && state_.options.mode != Mode::clear) {
        output_ += "530 5.7.0 STARTTLS first\r\n";
    } else {
        on_transaction(verb, line);
    }
}

void SinkConnection::on_transaction(std::string_view verb, std::string_view line) {
    if (verb == "DATA") {
        output_ += "354 Go ahead\r\n";
        body_.emplace(state_.options.hash);
        phase_ = Phase::data;
        return;
    }
    if (verb == "BDAT") return on_chunk(line.substr(4));
    if (verb == "RSET" || verb == "MAIL") {
        recipients_.clear();
        body_.reset();
    }
    if (verb == "RCPT" && state_.options.list) {
        const std::size_t begin = std::min(line.find('<'), line.size() - 1) + 1;
        recipients_.emplace_back(line.substr(begin, line.find('>') - begin));
    }
    output_ += verb == "AUTH" ? "235 2.7.0 Welcome\r\n" : "250 2.0.0 Ok\r\n";
}

void SinkConnection::on_chunk(std::string_view arguments) {
    arguments.remove_prefix(std::min<std::size_t>(1, arguments.size()));
    std::uint64_t size = 0;
    const auto [end, error] =
        std::from_chars(arguments.data(), arguments.data() + arguments.size(), size);
    if (error != std::errc{}) {
        output_ += "501 5.5.4 BDAT how much?\r\n";
        over_ = true;  // what follows cannot be told from commands
        return flush();
    }
    last_chunk_ = end != arguments.data() + arguments.size();  // " LAST"
    if (!body_) body_.emplace(state_.options.hash);
    chunk_ = size;
    phase_ = Phase::chunk;
    if (size == 0) (void)take_chunk({});
}

void SinkConnection::flush() {
    std::size_t gone = 0;
    while (gone < output_.size()) {
        std::size_t size = 0;
        const Wire::Result result = wire_.write(std::string_view(output_).substr(gone), size);
        if (result == Wire::Result::ended) over_ = true;
        if (result != Wire::Result::some) break;
        gone += size;
    }
    output_.erase(0, gone);
}

void SinkConnection::watch() {
    const bool stuck = !output_.empty() && wire_.tls() != Wire::Tls::under_way;
    const std::uint32_t wanted =
        (allowance_ > 0 ? std::uint32_t{EPOLLIN} : 0) | (stuck ? std::uint32_t{EPOLLOUT} : 0);
    if (wanted == watched_) return;
    watched_ = wanted;
    epoll_event event{};
    event.events = wanted;
    event.data.ptr = this;
    (void)epoll_ctl(state_.poll, EPOLL_CTL_MOD, wire_.socket(), &event);
}

}  // namespace waxseal::bench
