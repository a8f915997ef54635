// The built-in upstream of `waxseal demo`: a TLS submission server on loopback that takes every
// message and hands it to a function. It speaks with the same server machine that faces
// downstreams, here in the provider's place. Keeps nothing.
//
// Flow: open(); messages come from the loop. Destroying it ends its connections.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"
#include "smtp/server.hpp"
#include "tls/engine.hpp"

namespace waxseal::demo {

struct Delivered {
    std::string reverse_path;             // with angle brackets
    std::vector<std::string> recipients;  // likewise
    std::string beginning;                // of the message, up to a few KiB
    std::uint64_t octets = 0;
};

class Mailbox {
  public:
    using OnMessage = std::function<void(const Delivered&)>;
    [[nodiscard]] static std::expected<std::unique_ptr<Mailbox>, Error> open(
        net::Loop& loop, std::shared_ptr<const tls::ServerContext> tls, OnMessage on_message);
    ~Mailbox();
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept;

  private:
    class Connection;
    Mailbox(net::Loop& loop, std::shared_ptr<const tls::ServerContext> tls, OnMessage on_message);
    void accept(std::unique_ptr<net::TcpChannel> channel);

    net::Loop& loop_;
    std::shared_ptr<const tls::ServerContext> tls_;
    OnMessage on_message_;
    smtp::ServerSettings settings_;
    std::unique_ptr<net::Listener> listener_;
    std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
};

}  // namespace waxseal::demo
