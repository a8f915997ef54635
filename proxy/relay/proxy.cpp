#include "relay/proxy.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <random>
#include <utility>

#include "base/log.hpp"
#include "relay/replies.hpp"

namespace waxseal::relay {

namespace {

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

}  // namespace

// Session ids need not be secret, only unlike those of the last run.
Proxy::Proxy(Reactor& reactor, Worker& worker)
    : reactor_(reactor), worker_(worker), id_base_(std::random_device{}()) {}

Proxy::~Proxy() = default;

std::string Proxy::next_id() {
    std::array<char, 17> text{};
    const std::uint64_t value = (id_base_ << 24U) + next_key_;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, 16).ptr;
    return {text.data(), end};
}

void Proxy::accept(std::unique_ptr<Channel> channel, const IpAddress& client,
                   const ListenerSettings& settings) {
    const Verdict verdict =
        drained_ ? Verdict::too_many
                 : admission_.admit(client, settings.allow, settings.limits, reactor_.now());
    if (verdict != Verdict::admitted) return refuse(std::move(channel), client, verdict);
    const std::uint64_t key = ++next_key_;
    Session::Client who{next_id(), waxseal::to_string(client), client};
    auto session = std::make_unique<Session>(reactor_, SessionServices{worker_, lockout_},
                                             std::move(channel), settings.session, std::move(who),
                                             [this, key](Session&) { ended(key); });
    Session& started = *session;
    sessions_.emplace(key, Entry{std::move(session), client});
    most_ = std::max(most_, sessions_.size());
    started.start();
}

void Proxy::refuse(std::unique_ptr<Channel> channel, const IpAddress& client, Verdict verdict) {
    const smtp::Reply reply = refusal_for(verdict);
    channel->write(smtp::write(reply));
    channel->close();
    const auto count = refusals_.note(verdict, client, reactor_.now());
    if (!count) return;
    log::warn("client_refused", {{"client", waxseal::to_string(client)},
                                 {"reply", smtp::summary(reply)},
                                 {"count", *count}});
}

void Proxy::ended(std::uint64_t key) {
    const auto entry = sessions_.find(key);
    if (entry == sessions_.end()) return;
    admission_.leave(entry->second.client);
    retire(reactor_, std::move(entry->second.session));
    sessions_.erase(entry);
    if (!sessions_.empty()) return;
    const std::size_t most = std::exchange(most_, 0U);
    if (on_empty_) reactor_.defer([told = on_empty_, most] { told(most); });
    if (drained_) reactor_.defer(drained_);
}

void Proxy::drain(std::function<void()> done) {
    drained_ = std::move(done);
    if (sessions_.empty()) return reactor_.defer(drained_);
    std::vector<Session*> all;
    for (auto& [key, entry] : sessions_) all.push_back(entry.session.get());
    for (Session* const session : all)
        session->drain();  // destruction is deferred, so the pointers stand
}

void Proxy::stop_all() {
    std::vector<Session*> all;
    for (auto& [key, entry] : sessions_) all.push_back(entry.session.get());
    for (Session* const session : all) session->stop();
}

}  // namespace waxseal::relay
