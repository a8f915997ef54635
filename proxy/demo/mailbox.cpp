#include "demo/mailbox.hpp"

#include <utility>

namespace waxseal::demo {

namespace event = smtp::server_event;

namespace {

constexpr std::size_t shown = 4096;

smtp::Capabilities offer(const smtp::ServerSettings& settings) {
    smtp::Capabilities offered;
    for (const smtp::Extension extension :
         {smtp::Extension::pipelining, smtp::Extension::size, smtp::Extension::eight_bit_mime,
          smtp::Extension::smtputf8, smtp::Extension::dsn,
          smtp::Extension::enhanced_status_codes}) {
        offered.add(extension);
    }
    offered.size_limit = settings.max_message_size;
    return offered;
}

}  // namespace

// One client of the mailbox: a channel and a server machine that says yes.
class Mailbox::Connection {
  public:
    Connection(Mailbox& mailbox, std::unique_ptr<net::TcpChannel> channel)
        : mailbox_(mailbox), channel_(std::move(channel)), server_(mailbox.settings_) {
        channel_->set_tls(net::ServerTls{mailbox.tls_});
        channel_->start_tls();
        channel_->set_notify([this] { pump(); });
        server_.secured();
        server_.greet();
    }

  private:
    void pump() {
        while (step()) {
        }
        while (!server_.output().empty()) {
            const std::size_t taken = channel_->write(server_.output());
            if (taken == 0) break;
            server_.sent(taken);
        }
        const bool broken =
            channel_->end() == EndOfInput::failed || channel_->end() == EndOfInput::truncated;
        if (broken || (server_.finished() && server_.output().empty())) end();
    }

    [[nodiscard]] bool step() {
        smtp::ServerEvent told = server_.next();
        if (!std::holds_alternative<event::NeedInput>(told)) {
            std::visit([this](auto& something) { on(something); }, told);
            return !std::holds_alternative<event::Paused>(told);
        }
        if (const std::string_view input = channel_->readable(); !input.empty()) {
            server_.receive(input);
            channel_->consume(input.size());
            return true;
        }
        if (channel_->end() != EndOfInput::none) server_.end_of_input();
        return false;
    }

    void on(event::Hello&) { server_.hello(offer(mailbox_.settings_)); }
    void on(event::Mail& mail) {
        message_ = {};
        message_.reverse_path = mail.reverse_path.text();
        server_.reply(smtp::make_reply(250, {2, 1, 0}, "Ok"));
    }
    void on(event::Rcpt& rcpt) {
        message_.recipients.push_back(rcpt.forward_path.text());
        server_.reply(smtp::make_reply(250, {2, 1, 5}, "Ok"));
    }
    void on(event::DataRequested&) { server_.reply(smtp::make_reply(354, "Go ahead")); }
    void on(event::Body& body) {
        message_.octets += body.content.size();
        message_.beginning += body.content.substr(0, shown - message_.beginning.size());
    }
    void on(event::BodyEnd& end) {
        if (end.verdict != smtp::BodyVerdict::acceptable)
            return server_.reply(smtp::refusal(end.verdict));
        server_.reply(smtp::make_reply(250, {2, 0, 0}, "Delivered to the demo mailbox"));
        mailbox_.on_message_(message_);
    }
    template <typename Other>
    void on(Other&) {}

    void end() {
        channel_->close();
        const auto self = mailbox_.connections_.find(this);
        if (self == mailbox_.connections_.end()) return;
        retire(mailbox_.loop_, std::move(self->second));
        mailbox_.connections_.erase(self);
    }

    Mailbox& mailbox_;
    std::unique_ptr<net::TcpChannel> channel_;
    smtp::Server server_;
    Delivered message_;
};

Mailbox::Mailbox(net::Loop& loop, std::shared_ptr<const tls::ServerContext> tls,
                 OnMessage on_message)
    : loop_(loop), tls_(std::move(tls)), on_message_(std::move(on_message)) {
    settings_.hostname = "mailbox.localhost";
    settings_.line_endings =
        smtp::LineEndings::reject;  // what waxseal sends must be strictly right
    settings_.max_message_size = 50ULL * 1024 * 1024;
    settings_.max_recipients = 1000;
    settings_.max_errors = 20;
}

Mailbox::~Mailbox() = default;

std::expected<std::unique_ptr<Mailbox>, Error> Mailbox::open(
    net::Loop& loop, std::shared_ptr<const tls::ServerContext> tls, OnMessage on_message) {
    std::unique_ptr<Mailbox> mailbox(new Mailbox(loop, std::move(tls), std::move(on_message)));
    auto listener = net::Listener::open(
        loop, {.address = *net::Address::parse("127.0.0.1", 0)},
        [box = mailbox.get()](std::unique_ptr<net::TcpChannel> channel, const net::SocketAddress&) {
            box->accept(std::move(channel));
        });
    if (!listener) return std::unexpected(listener.error());
    mailbox->listener_ = *std::move(listener);
    return mailbox;
}

void Mailbox::accept(std::unique_ptr<net::TcpChannel> channel) {
    auto connection = std::make_unique<Connection>(*this, std::move(channel));
    Connection* const key = connection.get();
    connections_.emplace(key, std::move(connection));
}

std::uint16_t Mailbox::port() const noexcept { return listener_->address().tcp().port; }

}  // namespace waxseal::demo
