#include "app/service.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
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

std::string_view to_string(relay::TlsMode mode) {
    switch (mode) {
        case relay::TlsMode::none:
            return "none";
        case relay::TlsMode::starttls:
            return "starttls";
        case relay::TlsMode::implicit:
            return "implicit";
        case relay::TlsMode::automatic:
            return "auto";
    }
    return {};
}

std::vector<std::string> upstreams_of(const BuiltListener& listener) {
    std::vector<std::string> names;
    for (const auto& provider : listener.settings.session->providers)
        names.push_back(provider->name);
    return names;
}

// The socket stays, its permissions need not.
void change_mode(const BuiltListener& before, const BuiltListener& now) {
    const auto* socket = std::get_if<config::UnixPath>(&now.address);
    if (socket == nullptr || before.mode == now.mode) return;
    if (::chmod(socket->path.c_str(), now.mode) == 0) return;
    log::error("mode_not_changed",
               {{"address", config::to_string(now.address)}, {"reason", std::strerror(errno)}});
}

void warn_of_unused(const std::vector<net::InheritedSocket>& passed,
                    const std::vector<BuiltListener>& listeners) {
    const auto takes = [](const BuiltListener& listener, const std::string& name) {
        const auto* wanted = std::get_if<config::Inherited>(&listener.address);
        return wanted != nullptr && (wanted->name.empty() || wanted->name == name);
    };
    for (const net::InheritedSocket& socket : passed) {
        if (std::ranges::any_of(listeners,
                                [&](const auto& one) { return takes(one, socket.name); }))
            continue;
        log::warn("inherited_socket_unused",
                  {{"name", socket.name},
                   {"advice", "write [[listen]] address = \"systemd:" + socket.name + "\""}});
    }
}

void log_self_signed(const Snapshot& snapshot) {
    if (!snapshot.self_signed) return;
    const std::string& file = snapshot.self_signed->files.certificate_file;
    const auto note =
        std::ranges::find(snapshot.certificates, file, [](const auto& one) { return one.file; });
    if (note == snapshot.certificates.end()) return;
    log::info("self_signed_certificate",
              {{"state", snapshot.self_signed->state == Kept::made ? "made" : "kept"},
               {"file", file},
               {"fingerprint", note->fingerprint}});
}

}  // namespace

Service::Service(std::vector<net::InheritedSocket> passed)
    : seed_(new_seed()), passed_(std::move(passed)), worker_(loop_, pool_), proxy_(loop_, worker_) {
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
    expiry_alarm_ = loop_.alarm([this] { say_certificates(); });
    loop_.on_signal(SIGTERM, [this] { terminate(); });
    loop_.on_signal(SIGINT, [this] { terminate(); });
    loop_.on_signal(SIGHUP, [this] { reload(); });
}

Service::~Service() = default;

std::expected<void, Error> Service::start(std::shared_ptr<const Snapshot> snapshot) {
    auto adopted = adopt(std::move(snapshot));
    if (!adopted) return adopted;
    for (const Listening& one : listening_) {
        for (const auto& socket : one.sockets)
            log::info("listening", {{"address", socket->text()},
                                    {"tls", to_string(one.plan->settings.tls)},
                                    {"upstream", upstreams_of(*one.plan)}});
    }
    warn_of_unused(passed_, snapshot_->listeners);
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
    for (const Listening& listening : listening_) {
        for (const auto& socket : listening.sockets) addresses.push_back(socket->address());
    }
    return addresses;
}

std::expected<Service::Listening, Error> Service::open(const Snapshot& next,
                                                       const BuiltListener& wanted,
                                                       const std::vector<net::Listener*>& leaving) {
    auto sockets = sockets_for(wanted, next.listeners, passed_);
    if (!sockets) return std::unexpected(sockets.error());
    Listening listening{{}, std::make_shared<BuiltListener>(wanted)};
    for (net::ListenOptions& options : *sockets) {
        options.beside = leaving;
        auto opened = net::Listener::open(
            loop_, options,
            [this, plan = listening.plan](std::unique_ptr<net::TcpChannel> channel,
                                          const net::SocketAddress& peer) {
                if (plan->tls) channel->set_tls(net::ServerTls{plan->tls});
                proxy_.accept(std::move(channel), peer.ip(), plan->settings);
            });
        if (!opened) return std::unexpected(opened.error());
        listening.sockets.push_back(*std::move(opened));
    }
    return listening;
}

// Those whose address the next configuration does not have: a new one may overlap them.
std::vector<net::Listener*> Service::leaving(const Snapshot& next) const {
    std::vector<net::Listener*> result;
    for (const Listening& one : listening_) {
        const bool stays = std::ranges::any_of(next.listeners, [&](const auto& wanted) {
            return wanted.address == one.plan->address;
        });
        if (stays) continue;
        for (const auto& socket : one.sockets) result.push_back(socket.get());
    }
    return result;
}

// All or nothing: listeners that stay get new settings only when every new one could be opened.
std::expected<void, Error> Service::adopt(std::shared_ptr<const Snapshot> snapshot) {
    std::vector<Listening> next;
    std::vector<Listening*> kept;  // beside each of `next`: the one it goes on from, or none
    const std::vector<net::Listener*> going = leaving(*snapshot);
    for (const BuiltListener& wanted : snapshot->listeners) {
        const auto have = std::find_if(listening_.begin(), listening_.end(), [&](Listening& one) {
            return one.plan->address == wanted.address &&
                   std::ranges::find(kept, &one) == kept.end();
        });
        if (have != listening_.end()) {
            kept.push_back(&*have);
            next.push_back({{}, have->plan});
            continue;
        }
        auto opened = open(*snapshot, wanted, going);
        if (!opened) return std::unexpected(opened.error());
        kept.push_back(nullptr);
        next.push_back(*std::move(opened));
    }
    for (std::size_t i = 0; i < next.size(); ++i) {
        if (kept[i] == nullptr) continue;
        next[i].sockets = std::move(kept[i]->sockets);
        change_mode(*next[i].plan, snapshot->listeners[i]);
        *next[i].plan = snapshot->listeners[i];
    }
    listening_ = std::move(next);
    if (snapshot_) carry_over(*snapshot_, *snapshot);
    snapshot_ = std::move(snapshot);
    prober_.reset();  // before the next one takes over
    prober_ = std::make_unique<upstream::Prober>(loop_, snapshot_->providers);
    log_self_signed(*snapshot_);
    say_certificates();
    return {};
}

void Service::say_certificates() {
    log_expiry(snapshot_->certificates, present());
    expiry_alarm_->arm(std::chrono::hours(24));
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
    expiry_alarm_->disarm();
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
