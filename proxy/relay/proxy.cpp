#include "relay/proxy.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "base/number.hpp"
#include "relay/replies.hpp"

namespace waxseal::relay {

namespace {

// Of max_sessions, what one listener's arrivals may take: handshakes that do not come to their end
// leave the other half to sessions.
constexpr std::uint64_t arrivals_share = 2;

smtp::Reply refusal_for(Verdict verdict) {
    switch (verdict) {
        case Verdict::not_allowed:
            return farewell::not_allowed();
        case Verdict::too_many:
            return farewell::too_many_sessions();
        case Verdict::too_many_from_client:
            return farewell::too_many_from_client();
        case Verdict::too_fast:
            return farewell::too_fast();
        case Verdict::admitted:
            break;
    }
    return farewell::draining();
}

// Who is at the other end, before anything was said. A unix peer has no address but its listener's
// path.
Session::Client peer_of(const Channel& channel, const IpAddress& ip) {
    const std::string text = channel.peer_address();
    if (text.starts_with("unix:")) return {{}, text, ip};
    Session::Client client{{}, waxseal::to_string(ip), ip};
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) return client;
    client.port = text::number<std::uint16_t>(std::string_view(text).substr(colon + 1)).value_or(0);
    return client;
}

bool begins_with_tls(TlsMode mode) {
    return mode == TlsMode::implicit || mode == TlsMode::automatic;
}

std::string_view to_string(Preamble::Refused::Cause cause) {
    using Cause = Preamble::Refused::Cause;
    switch (cause) {
        case Cause::no_header:
            return "no_header";
        case Cause::tls:
            return "tls";
        case Cause::lost:
            break;
    }
    return "lost";
}

}  // namespace

Proxy::Proxy(Reactor& reactor, Worker& worker, SpillFactory spill, std::shared_ptr<Door> door)
    : reactor_(reactor), worker_(worker), spill_(std::move(spill)), door_(std::move(door)) {}

Proxy::~Proxy() = default;

void Proxy::accept(std::unique_ptr<Channel> channel, const IpAddress& client,
                   const ListenerSettings& settings) {
    const bool balanced = among(client, settings.proxy_protocol);
    const bool waits = balanced || begins_with_tls(settings.tls);
    Session::Client peer = peer_of(*channel, client);
    Verdict verdict = Verdict::too_many;
    if (!drained_ && !(waits && crowded(settings))) {
        verdict = balanced ? door_->admission.expect(settings.limits)
                           : door_->admission.admit(client, settings.allow, settings.limits,
                                                    reactor_.now());
    }
    if (verdict != Verdict::admitted)
        return refuse(std::move(channel), peer, verdict, settings.tls);
    const std::uint64_t key = ++next_key_;
    Entry& entry = sessions_[key];
    if (balanced)
        return await(key, std::move(channel), {Awaits::header, settings, std::move(peer)});
    entry.client = client;
    if (waits) return await(key, std::move(channel), {Awaits::tls, settings, std::move(peer)});
    start(key, std::move(channel), std::move(peer), settings.session);
}

void Proxy::start(std::uint64_t key, std::unique_ptr<Channel> channel, Session::Client client,
                  std::shared_ptr<const SessionSettings> settings) {
    client.id = door_->next_id();
    auto session =
        std::make_unique<Session>(reactor_,
                                  SessionServices{worker_, door_->lockout, door_->refusals,
                                                  door_->lost_replies, door_->slow, spill_},
                                  std::move(channel), std::move(settings), std::move(client),
                                  [this, key](Session&) { ended(key); });
    Session& started = *session;
    sessions_[key].session = std::move(session);
    started.start();
}

// Over all workers; each may be one beyond it at the same moment.
bool Proxy::crowded(const ListenerSettings& settings) const {
    return door_->arrivals.of(settings.session->listener) >=
           std::max<std::uint64_t>(settings.limits.max_sessions / arrivals_share, 1);
}

// A header and a handshake are awaited one after the other: between them the client is admitted.
void Proxy::await(std::uint64_t key, std::unique_ptr<Channel> channel, Arrival arrival) {
    const bool header = arrival.what == Awaits::header;
    PreambleSettings settings;
    settings.proxy_protocol = header;
    settings.tls = header ? TlsMode::none : arrival.settings.tls;
    settings.handshake = arrival.settings.session->tls_handshake;
    arrival.preamble = std::make_unique<Preamble>(reactor_, std::move(channel), settings,
                                                  [this, key] { poll(key); });
    door_->arrivals.add(arrival.settings.session->listener);
    sessions_[key].arrival = std::make_unique<Arrival>(std::move(arrival));
    poll(key);
}

void Proxy::poll(std::uint64_t key) {
    const auto entry = sessions_.find(key);
    if (entry == sessions_.end() || !entry->second.arrival) return;
    Preamble::Result result = entry->second.arrival->preamble->poll();
    if (std::holds_alternative<Preamble::Waiting>(result)) return;
    const std::unique_ptr<Arrival> arrival = take_arrival(entry->second);
    if (const auto* refused = std::get_if<Preamble::Refused>(&result)) {
        failed(*arrival, *refused);
        return gone(key);
    }
    auto& ready = std::get<Preamble::Ready>(result);
    if (arrival->what == Awaits::header)
        return identify(key, std::move(ready), std::move(*arrival));
    arrival->client.spoke_first = ready.spoke_first;
    start(key, std::move(ready.channel), std::move(arrival->client), arrival->settings.session);
}

// The header has been read: from here on it is its client's connection, or, if it names none, the
// load balancer's own.
void Proxy::identify(std::uint64_t key, Preamble::Ready ready, Arrival arrival) {
    if (ready.source) {
        arrival.client.ip = ready.source->address;
        arrival.client.port = ready.source->port;
        arrival.client.address = waxseal::to_string(ready.source->address);
    }
    const ListenerSettings& settings = arrival.settings;
    const Verdict verdict = door_->admission.identify(arrival.client.ip, settings.allow,
                                                      settings.limits, reactor_.now());
    if (verdict != Verdict::admitted) {
        refuse(std::move(ready.channel), arrival.client, verdict, settings.tls);
        return gone(key);
    }
    sessions_[key].client = arrival.client.ip;
    if (!begins_with_tls(settings.tls))
        return start(key, std::move(ready.channel), std::move(arrival.client), settings.session);
    arrival.what = Awaits::tls;
    await(key, std::move(ready.channel), std::move(arrival));
}

void Proxy::failed(const Arrival& arrival, const Preamble::Refused& why) {
    log::Fields fields{{"client", arrival.client.address},
                       {"listener", arrival.settings.session->listener},
                       {"cause", to_string(why.cause)},
                       {"reason", why.reason}};
    // Who scans ports, or only looks whether we are there, is no news.
    if (why.cause == Preamble::Refused::Cause::lost) return log::debug("client_failed", fields);
    const auto count = door_->refusals.note(why.cause, arrival.client.ip, reactor_.now());
    if (!count) return;
    fields.emplace_back("count", *count);
    log::warn("client_failed", fields);
}

// Its preamble may be on the call stack. Nobody polls it any more.
std::unique_ptr<Proxy::Arrival> Proxy::take_arrival(Entry& entry) {
    std::unique_ptr<Arrival> arrival = std::move(entry.arrival);
    retire(reactor_, std::move(arrival->preamble));
    door_->arrivals.remove(arrival->settings.session->listener);
    return arrival;
}

// Where TLS is certain to come first, nothing that the client could read can be said before it.
void Proxy::refuse(std::unique_ptr<Channel> channel, const Session::Client& client, Verdict verdict,
                   TlsMode tls) {
    const smtp::Reply reply = refusal_for(verdict);
    if (tls != TlsMode::implicit) channel->write(smtp::write(reply));
    channel->close();
    retire(reactor_, std::move(channel));  // behind a header it is the one that has called us
    const auto count = door_->refusals.note(verdict, client.ip, reactor_.now());
    if (!count) return;
    log::warn("client_refused",
              {{"client", client.address}, {"reply", smtp::summary(reply)}, {"count", *count}});
}

void Proxy::ended(std::uint64_t key) {
    const auto entry = sessions_.find(key);
    if (entry == sessions_.end()) return;
    retire(reactor_, std::move(entry->second.session));
    gone(key);
}

void Proxy::gone(std::uint64_t key) {
    const auto entry = sessions_.find(key);
    const auto& client = entry->second.client;
    client ? door_->admission.leave(*client) : door_->admission.forget();
    sessions_.erase(entry);
    if (!sessions_.empty()) return;
    const std::size_t most = door_->admission.take_most();
    if (on_empty_ && most != 0) reactor_.defer([told = on_empty_, most] { told(most); });
    if (drained_) reactor_.defer(drained_);
}

// Destruction of sessions is deferred, so the pointers stand.
std::vector<Session*> Proxy::all_sessions() const {
    std::vector<Session*> all;
    for (const auto& [key, entry] : sessions_)
        if (entry.session) all.push_back(entry.session.get());
    return all;
}

void Proxy::cut_arrivals() {
    std::vector<std::uint64_t> keys;
    for (const auto& [key, entry] : sessions_)
        if (entry.arrival) keys.push_back(key);
    for (const std::uint64_t key : keys) {
        (void)take_arrival(sessions_[key]);
        gone(key);
    }
}

void Proxy::drain(std::function<void()> done) {
    drained_ = std::move(done);
    if (sessions_.empty()) return reactor_.defer(drained_);
    cut_arrivals();
    for (Session* const session : all_sessions()) session->drain();
}

void Proxy::stop_all() {
    cut_arrivals();
    for (Session* const session : all_sessions()) session->stop();
}

}  // namespace waxseal::relay
