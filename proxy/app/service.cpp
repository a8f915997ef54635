#include "app/service.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <utility>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/log.hpp"

namespace waxseal::app {

namespace {

// Between the last session's end and ours: what it wrote last is with the kernel by then.
constexpr Duration last_words = std::chrono::milliseconds(50);
// What so many sessions at once have used is worth giving back.
constexpr std::size_t crowd = 64;
// Until the last connections of a crowd have been closed too.
constexpr Duration trim_delay = std::chrono::seconds(1);

void trim_memory() {
#ifdef __GLIBC__
    ::malloc_trim(0);
#endif
    log::debug("memory_trimmed");
}

}  // namespace

Service::Service() : worker_(loop_, pool_), proxy_(loop_, worker_) {
    (void)std::signal(SIGPIPE, SIG_IGN);
    drain_alarm_ = loop_.alarm([this] {
        log::warn("drain_cut_short", {{"sessions", proxy_.sessions()}});
        proxy_.stop_all();
    });
    end_alarm_ = loop_.alarm([this] { loop_.stop(); });
    trim_alarm_ = loop_.alarm(trim_memory);
    proxy_.on_empty([this](std::size_t most) {
        if (most >= crowd) trim_alarm_->arm(trim_delay);
    });
    loop_.on_signal(SIGTERM, [this] { terminate(); });
    loop_.on_signal(SIGINT, [this] { terminate(); });
    loop_.on_signal(SIGHUP, [this] { reload(); });
}

Service::~Service() = default;

std::expected<void, Error> Service::start(std::shared_ptr<const Snapshot> snapshot) {
    auto adopted = adopt(std::move(snapshot));
    if (!adopted) return adopted;
    for (std::size_t i = 0; i < listening_.size(); ++i) {
        log::info(
            "listening",
            {{"address", listening_[i].listener->text()},
             {"upstream", snapshot_->listeners[i].settings.session->providers.front()->name}});
    }
    return {};
}

void Service::on_reload(Source reload, Applied applied) {
    reload_ = std::move(reload);
    applied_ = std::move(applied);
}

void Service::run() {
    loop_.run();
    // The handlers go with the loop: a signal from now on must not undo an orderly end.
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ending, nullptr);
}

std::vector<net::SocketAddress> Service::addresses() const {
    std::vector<net::SocketAddress> addresses;
    for (const Listening& listening : listening_)
        addresses.push_back(listening.listener->address());
    return addresses;
}

std::expected<Service::Listening, Error> Service::open(const Snapshot::Listener& wanted,
                                                       const std::vector<net::Listener*>& leaving) {
    auto settings = std::make_shared<relay::ListenerSettings>(wanted.settings);
    const auto address = net::Address::parse(wanted.address.host, wanted.address.port);
    if (!address)
        return std::unexpected(
            Error{"cannot listen on " + config::to_string(wanted.address) + ": not an IP address"});
    auto listener = net::Listener::open(
        loop_, {.address = *address, .beside = leaving},
        [this, settings](std::unique_ptr<net::TcpChannel> channel, const net::SocketAddress& peer) {
            proxy_.accept(std::move(channel), peer.ip(), *settings);
        });
    if (!listener) return std::unexpected(listener.error());
    return Listening{wanted.address, *std::move(listener), std::move(settings)};
}

// Those whose address the next configuration does not have: a new one may overlap them.
std::vector<net::Listener*> Service::leaving(const Snapshot& next) const {
    std::vector<net::Listener*> result;
    for (const Listening& one : listening_) {
        const bool stays = std::ranges::any_of(
            next.listeners, [&](const auto& wanted) { return wanted.address == one.address; });
        if (!stays) result.push_back(one.listener.get());
    }
    return result;
}

// All or nothing: listeners that stay get new settings only when every new one could be opened.
std::expected<void, Error> Service::adopt(std::shared_ptr<const Snapshot> snapshot) {
    std::vector<Listening> next;
    std::vector<Listening*> kept;  // beside each of `next`: the one it goes on from, or none
    const std::vector<net::Listener*> going = leaving(*snapshot);
    for (const Snapshot::Listener& wanted : snapshot->listeners) {
        const auto have = std::find_if(listening_.begin(), listening_.end(), [&](Listening& one) {
            return one.address == wanted.address && std::ranges::find(kept, &one) == kept.end();
        });
        if (have != listening_.end()) {
            kept.push_back(&*have);
            next.push_back({wanted.address, nullptr, have->settings});
            continue;
        }
        auto opened = open(wanted, going);
        if (!opened) return std::unexpected(opened.error());
        kept.push_back(nullptr);
        next.push_back(*std::move(opened));
    }
    for (std::size_t i = 0; i < next.size(); ++i) {
        if (kept[i] == nullptr) continue;
        next[i].listener = std::move(kept[i]->listener);
        *next[i].settings = snapshot->listeners[i].settings;
    }
    listening_ = std::move(next);
    if (snapshot_) carry_over(*snapshot_, *snapshot);
    snapshot_ = std::move(snapshot);
    prober_.reset();  // before the next one takes over
    prober_ = std::make_unique<upstream::Prober>(loop_, snapshot_->providers);
    return {};
}

void Service::terminate() {
    if (phase_ != Phase::running) {
        log::warn("ended_at_once", {{"sessions", proxy_.sessions()}});
        proxy_.stop_all();
        return loop_.stop();
    }
    phase_ = Phase::draining;
    log::info("draining", {{"sessions", proxy_.sessions()}});
    listening_.clear();
    prober_.reset();
    drain_alarm_->arm(snapshot_->config.timeouts.drain);
    proxy_.drain([this] { end(); });
}

void Service::end() {
    if (phase_ == Phase::ending) return;
    phase_ = Phase::ending;
    drain_alarm_->disarm();
    log::info("stopped");
    end_alarm_->arm(last_words);
}

void Service::reload() {
    if (phase_ != Phase::running || !reload_) return;
    auto snapshot = reload_();
    if (!snapshot) return;
    if (auto adopted = adopt(std::move(snapshot)); !adopted) {
        log::error("reload_failed",
                   {{"reason", adopted.error().text}, {"effect", "the old configuration stays"}});
        return;
    }
    applied_(*snapshot_);
    log::info("reloaded", {{"file", snapshot_->config.file}});
}

}  // namespace waxseal::app
