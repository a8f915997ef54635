#include "app/lane.hpp"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "app/temporary_file.hpp"
#include "base/log.hpp"

namespace waxseal::app {

Lane::Lane(net::Resolver& resolver, const net::ThreadPool& pool, std::shared_ptr<relay::Door> door)
    : resolver_(resolver),
      worker_(loop_, pool),
      proxy_(loop_, worker_, temporary_files(), std::move(door)) {}

Lane::~Lane() { join(); }

std::vector<net::Listener*> Lane::listeners(std::uint64_t id) const {
    std::vector<net::Listener*> result;
    if (const auto found = open_.find(id); found != open_.end())
        for (const auto& socket : found->second.sockets) result.push_back(socket.get());
    return result;
}

void Lane::adopt(Orders orders) {
    prober_.reset();  // before the next one takes over
    keeper_.reset();
    Share next = make_share(std::move(orders.snapshot), loop_, resolver_);
    if (share_.snapshot) take_over(share_, next);
    if (failed_) {
        for (const auto& provider : next.providers)
            provider->on_failure = [told = failed_, name = provider->name] { told(name); };
    }
    std::map<std::uint64_t, Open> listening;
    for (std::size_t i = 0; i < orders.listening.size(); ++i) {
        Orders::Listening& wanted = orders.listening[i];
        Open& into = listening[wanted.id];
        if (const auto known = open_.find(wanted.id); known != open_.end())
            into = std::move(open_.extract(known).mapped());
        into.index = i;
        open(wanted.id, into, std::move(wanted.own), false);
        open(wanted.id, into, std::move(wanted.for_all), true);
    }
    // What came while they were there is served as they were.
    for (const auto& [id, leaving] : open_)
        for (const auto& socket : leaving.sockets) socket->accept_waiting();
    open_ = std::move(listening);
    share_ = std::move(next);
    keeper_ = std::make_unique<upstream::Keeper>(loop_, share_.providers);
    if (!failed_) prober_ = std::make_unique<upstream::Prober>(loop_, share_.providers);
}

void Lane::note_failure(const std::string& upstream) {
    for (const auto& provider : share_.providers)
        if (provider->name == upstream && provider->on_failure) provider->on_failure();
}

void Lane::open(std::uint64_t id, Open& into, std::vector<net::ListenSocket> sockets,
                bool for_all) {
    for (net::ListenSocket& socket : sockets) {
        const std::string text = socket.text();
        auto opened = net::Listener::start(
            loop_, std::move(socket),
            [this, id, for_all](int accepted, const net::SocketAddress& peer) {
                for_all&& hand_over_ ? hand_over_(id, accepted, peer) : take(id, accepted, peer);
            });
        if (opened) {
            into.sockets.push_back(*std::move(opened));
        } else {
            log::error("listen_failed", {{"address", text}, {"reason", opened.error().text}});
        }
    }
}

void Lane::take(std::uint64_t listener, int socket, const net::SocketAddress& peer) {
    const auto open = open_.find(listener);
    if (open == open_.end()) {
        ::close(socket);
        return;
    }
    auto channel = net::TcpChannel::adopt(loop_, socket, peer);
    if (!channel) return;
    const std::size_t index = open->second.index;
    const BuiltListener& built = share_.snapshot->listeners[index];
    if (built.tls) (*channel)->set_tls(net::ServerTls{built.tls});
    proxy_.accept(*std::move(channel), peer.ip(), share_.listeners[index]);
}

void Lane::drain(std::function<void()> done) {
    open_.clear();
    prober_.reset();
    keeper_.reset();
    proxy_.drain(std::move(done));
}

std::expected<void, Error> Lane::start(std::size_t number) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::expected<void, Error> result;
    try {
        thread_ = std::thread([this, name = "waxseal-" + std::to_string(number)] {
            (void)pthread_setname_np(pthread_self(), name.c_str());
            loop_.run();
        });
    } catch (const std::system_error& error) {
        result = std::unexpected(Error{std::string("cannot start a worker's thread: ") +
                                       std::strerror(error.code().value()) +
                                       "; lower [server] workers, or raise the limit of threads"});
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return result;
}

void Lane::join() {
    if (!thread_.joinable()) return;
    loop_.post([this] { loop_.stop(); });
    thread_.join();
}

}  // namespace waxseal::app
