#include "app/service.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "app/processors.hpp"
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

// The socket stays, its permissions need not.
void change_mode(unsigned before, const BuiltListener& now) {
    const auto* socket = std::get_if<config::UnixPath>(&now.address);
    if (socket == nullptr || before == now.mode) return;
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

// Closed where it is on its way to a lane that has ended.
struct Descriptor {
    explicit Descriptor(int fd_) : fd(fd_) {}
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int fd;
};

}  // namespace

Service::Service(std::vector<net::InheritedSocket> passed, std::size_t workers)
    : seed_(new_seed()), passed_(std::move(passed)) {
    (void)std::signal(SIGPIPE, SIG_IGN);
    // A temporary file beyond the limit of files' sizes: an error, and not the end of everything.
    (void)std::signal(SIGXFSZ, SIG_IGN);
    for (std::size_t i = 0; i < std::max<std::size_t>(workers, 1); ++i) make_lane();
    drain_alarm_ = loop().alarm([this] {
        log::warn("drain_cut_short", {{"sessions", door_->admission.sessions()}});
        for_each_lane([](Lane& lane) { lane.proxy().stop_all(); });
    });
    end_alarm_ = loop().alarm([this] { loop().stop(); });
    trim_alarm_ = loop().alarm(trim_memory);
    expiry_alarm_ = loop().alarm([this] { say_certificates(); });
    loop().on_signal(SIGTERM, [this] { terminate(); });
    loop().on_signal(SIGINT, [this] { terminate(); });
    loop().on_signal(SIGHUP, [this] { reload(); });
}

// Threads first, so that nobody posts to a loop that is being destroyed.
Service::~Service() {
    for (const auto& lane : lanes_) lane->join();
}

// The main lane calls, the others post: it is there as long as they run.
void Service::make_lane() {
    auto lane = std::make_unique<Lane>(resolver_, pool_, door_);
    lane->proxy().on_empty([this](std::size_t most) {
        if (most < crowd) return;
        if (lanes_.size() == 1) return trim_alarm_->arm(trim_delay);
        loop().post([this] { trim_alarm_->arm(trim_delay); });
    });
    if (lanes_.empty()) {
        lane->on_hand_over(
            [this](std::uint64_t listener, int socket, const net::SocketAddress& peer) {
                hand_over(listener, socket, peer);
            });
    } else {
        lane->on_failure([this](const std::string& upstream) {
            loop().post([this, upstream] { lanes_.front()->note_failure(upstream); });
        });
    }
    lanes_.push_back(std::move(lane));
}

// In turn: each gets as many as any other.
void Service::hand_over(std::uint64_t listener, int socket, const net::SocketAddress& peer) {
    Lane& lane = *lanes_[turn_++ % lanes_.size()];
    if (&lane == lanes_.front().get()) return lane.take(listener, socket, peer);
    lane.post([&lane, listener, peer, owned = std::make_shared<Descriptor>(socket)] {
        lane.take(listener, std::exchange(owned->fd, -1), peer);
    });
}

// Runs it on each lane's own thread.
void Service::for_each_lane(const std::function<void(Lane&)>& function) {
    for (const auto& lane : lanes_) {
        if (lane == lanes_.front()) {
            function(*lane);
        } else {
            lane->post([function, &lane = *lane] { function(lane); });
        }
    }
}

std::expected<void, Error> Service::start(std::shared_ptr<Snapshot> snapshot) {
    auto adopted = adopt(std::move(snapshot), [] {});
    if (!adopted) return adopted;
    for (std::size_t i = 0; i < listening_.size(); ++i) {
        for (const net::Listener* socket : lanes_.front()->listeners(listening_[i].id))
            log::info("listening", {{"address", socket->text()},
                                    {"tls", to_string(snapshot_->listeners[i].settings.tls)},
                                    {"upstream", snapshot_->config.listen[i].upstream}});
    }
    warn_of_unused(passed_, snapshot_->listeners);
    for (std::size_t i = 1; i < lanes_.size(); ++i)
        if (auto started = lanes_[i]->start(i + 1); !started) return started;
    if (lanes_.size() > 1) log::info("workers", {{"count", lanes_.size()}});
    return {};
}

void Service::on_reload(Source reload, Applied applied) {
    reload_ = std::move(reload);
    applied_ = std::move(applied);
}

void Service::run() {
    loop().run();
    // The handlers go with the loop: a signal from now on must not undo an orderly end.
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ending, nullptr);
    for (const auto& lane : lanes_) lane->join();
}

std::vector<net::SocketAddress> Service::addresses() const {
    std::vector<net::SocketAddress> addresses;
    for (const Listening& listening : listening_)
        for (const net::Listener* socket : lanes_.front()->listeners(listening.id))
            addresses.push_back(socket->address());
    return addresses;
}

// New sockets for all lanes.
std::expected<void, Error> Service::open(const Snapshot& next, const BuiltListener& wanted,
                                         std::vector<Orders>& orders) const {
    auto sockets = sockets_for(wanted, next.listeners, passed_);
    if (!sockets) return std::unexpected(sockets.error());
    for (net::ListenOptions& options : *sockets) {
        options.beside = leaving(next);
        auto opened = net::Listener::sockets(options, lanes_.size());
        if (!opened) return std::unexpected(opened.error());
        const bool each = opened->size() == lanes_.size();
        for (std::size_t i = 0; i < opened->size(); ++i) {
            Orders::Listening& into = orders[i].listening.back();
            (each ? into.own : into.for_all).push_back(std::move((*opened)[i]));
        }
    }
    return {};
}

// Those whose address the next configuration does not have: a new one may overlap them.
std::vector<net::Listener*> Service::leaving(const Snapshot& next) const {
    std::vector<net::Listener*> result;
    for (const Listening& one : listening_) {
        const bool stays = std::ranges::any_of(
            next.listeners, [&](const auto& wanted) { return wanted.address == one.address; });
        if (stays) continue;
        for (net::Listener* socket : lanes_.front()->listeners(one.id)) result.push_back(socket);
    }
    return result;
}

// All or nothing: listeners that stay get new settings only when every new one could be opened.
// `done`: all lanes have the new snapshot.
std::expected<void, Error> Service::adopt(std::shared_ptr<Snapshot> snapshot,
                                          std::function<void()> done) {
    std::vector<Orders> orders(lanes_.size());
    std::vector<Listening> next;
    for (const BuiltListener& wanted : snapshot->listeners) {
        const auto have = std::ranges::find_if(listening_, [&](const Listening& one) {
            return one.address == wanted.address &&
                   std::ranges::find(next, one.id, &Listening::id) == next.end();
        });
        const std::uint64_t id = have != listening_.end() ? have->id : ++ids_;
        for (Orders& each : orders) each.listening.push_back({id});
        next.push_back({id, wanted.address, wanted.mode});
        if (have != listening_.end()) continue;
        if (auto opened = open(*snapshot, wanted, orders); !opened) return opened;
    }
    for (std::size_t i = 0; i < next.size(); ++i) {
        const auto before = std::ranges::find(listening_, next[i].id, &Listening::id);
        if (before != listening_.end()) change_mode(before->mode, snapshot->listeners[i]);
    }
    listening_ = std::move(next);
    if (snapshot_) carry_over(*snapshot_, *snapshot);
    snapshot_ = std::move(snapshot);
    log_self_signed(*snapshot_);
    say_certificates();
    give(std::move(orders), std::move(done));
    return {};
}

void Service::give(std::vector<Orders> orders, std::function<void()> done) {
    const auto told = [left = std::make_shared<std::size_t>(lanes_.size()),
                       done = std::move(done)] {
        if (--*left == 0) done();
    };
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        orders[i].snapshot = snapshot_;
        Lane& lane = *lanes_[i];
        if (i == 0) {
            lane.adopt(std::move(orders[i]));
        } else {
            lane.post([this, &lane, told, given = std::make_shared<Orders>(std::move(orders[i]))] {
                lane.adopt(std::move(*given));
                loop().post(told);
            });
        }
    }
    told();
}

void Service::say_certificates() {
    log_expiry(snapshot_->certificates, present());
    expiry_alarm_->arm(std::chrono::hours(24));
}

void Service::terminate() {
    if (phase_ != Phase::running) {
        log::warn("ended_at_once", {{"sessions", door_->admission.sessions()}});
        for_each_lane([](Lane& lane) { lane.proxy().stop_all(); });
        return loop().stop();
    }
    phase_ = Phase::draining;
    log::info("draining", {{"sessions", door_->admission.sessions()}});
    listening_.clear();
    expiry_alarm_->disarm();
    drain_alarm_->arm(snapshot_->config.timeouts.drain);
    draining_ = lanes_.size();
    for_each_lane([this](Lane& lane) {
        lane.drain([this, main = &lane == lanes_.front().get()] {
            if (main) return drained();
            loop().post([this] { drained(); });
        });
    });
}

void Service::drained() {
    if (--draining_ == 0) end();
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
    if (auto adopted = adopt(std::move(snapshot), [this] { reloaded(); }); !adopted)
        log::error("reload_failed",
                   {{"reason", adopted.error().text}, {"effect", "the old configuration stays"}});
}

// What is accepted from now on is served by the new configuration, on every lane.
void Service::reloaded() const {
    applied_(*snapshot_);
    log::info("reloaded", {{"file", snapshot_->config.file}});
    const unsigned wanted = worker_count(snapshot_->config.workers);
    if (wanted != lanes_.size())
        log::warn("workers_unchanged", {{"running", lanes_.size()},
                                        {"configured", wanted},
                                        {"advice", "restart waxseal to change their number"}});
}

}  // namespace waxseal::app
