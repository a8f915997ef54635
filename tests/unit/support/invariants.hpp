// What must hold after every session, whatever happened in it. Used by the failure injection, the
// simulations and the fuzz target; each broken rule is one line of text.
#pragma once

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "unit/support/lenient.hpp"
#include "unit/support/world.hpp"

namespace waxseal::testing {

using Wrongs = std::vector<std::string>;

inline std::string listed(const Wrongs& wrongs) {
    std::string text;
    for (const std::string& one : wrongs) text += "- " + one + "\n";
    return text;
}

// Towards the upstream: only whole messages that were meant (all that are in `meant` end with an
// end mark the device has sent), and nothing that any server could read otherwise.
inline void check_messages(const ScriptedUpstream& upstream, const std::vector<std::string>* meant,
                           Wrongs& wrongs) {
    for (std::size_t i = 0; i < upstream.connections(); ++i) {
        const Conversation& one = upstream[i];
        for (const std::string& raw : one.raw) {
            if (count_messages_leniently(raw, Begins::message) != 1)
                wrongs.emplace_back("a message that some servers take for several");
        }
        // It may hold an end mark that this server has not looked at any more.
        if (!unambiguous(one.unfinished, Begins::message))
            wrongs.emplace_back("an unfinished message that some servers take for a whole one");
        for (const std::string& message : one.messages) {
            if (meant != nullptr &&
                std::find(meant->begin(), meant->end(), message) == meant->end())
                wrongs.push_back("a message that nobody sent: " + message.substr(0, 200));
        }
        if (one.wire->sent_in_clear().find("AUTH") != std::string::npos &&
            upstream.options.tls != ScriptedUpstream::Tls::none)
            wrongs.emplace_back("credentials in clear");
        if (one.wire->fate() == Fate::open)
            wrongs.emplace_back("an upstream connection stays open");
    }
}

// Messages with their end mark that have reached the upstream, whether it has looked at them or
// not.
inline std::size_t complete_messages(const ScriptedUpstream& upstream) {
    std::size_t total = 0;
    for (std::size_t i = 0; i < upstream.connections(); ++i)
        total += upstream[i].messages.size() +
                 count_messages(upstream[i].unfinished, strict, Begins::message);
    return total;
}

// A 250 to a device means a 250 from the upstream for that very message, and the other way round
// when all devices have `stayed` to read it. `read` are the messages that devices had a 250 for.
inline void check_acceptance(const ScriptedUpstream& upstream, std::vector<std::string> read,
                             bool stayed, Wrongs& wrongs) {
    std::vector<std::string> taken;
    std::size_t lies = 0;
    for (std::size_t i = 0; i < upstream.connections(); ++i) {
        taken.insert(taken.end(), upstream[i].taken.begin(), upstream[i].taken.end());
        lies += upstream[i].lies;
    }
    std::sort(taken.begin(), taken.end());
    std::sort(read.begin(), read.end());
    std::vector<std::string> invented;
    std::set_difference(read.begin(), read.end(), taken.begin(), taken.end(),
                        std::back_inserter(invented));
    if (invented.size() > lies) wrongs.emplace_back("a 250 that the upstream has not given");
    // Where an unasked acceptance came just before the real one, neither is believed.
    std::vector<std::string> withheld;
    std::set_difference(taken.begin(), taken.end(), read.begin(), read.end(),
                        std::back_inserter(withheld));
    if (stayed && withheld.size() > lies)
        wrongs.emplace_back("a 250 of the upstream that was not passed on");
}

inline void check_log(const LogCapture& log, std::size_t sessions, Wrongs& wrongs) {
    const auto ends = log.of("session_end");
    if (ends.size() != sessions)
        wrongs.push_back(std::to_string(ends.size()) + " session_end for " +
                         std::to_string(sessions) + " sessions");
    for (const auto& event : ends) {
        for (const std::string_view key :
             {"session", "listener", "client", "downstream_tls", "upstream_tls", "end", "ms"})
            if (event[key].empty()) wrongs.push_back("session_end without " + std::string(key));
        for (const std::string_view key : {"helo", "account", "transactions"}) {
            if (std::none_of(event.fields.begin(), event.fields.end(),
                             [&](const log::Field& field) { return field.key() == key; }))
                wrongs.push_back("session_end has no field " + std::string(key));
        }
    }
    if (log.all().find(password) != std::string::npos)
        wrongs.emplace_back("the password is logged");
}

// After the sessions' end: ends what is left, and looks for what stays behind.
inline void check_nothing_left(World& world, Wrongs& wrongs) {
    if (world.proxy->sessions() != 0)
        wrongs.push_back(std::to_string(world.proxy->sessions()) + " sessions left");
    world.proxy.reset();
    World::close_pools(world.settings->providers);
    for (const auto& [name, providers] : world.settings->by_name) World::close_pools(providers);
    world.reactor.run_until_idle();
    // How long a farewell may linger is the network layer's business.
    for (std::size_t i = 0; i < world.upstream.connections(); ++i)
        world.upstream[i].wire->set_window(std::numeric_limits<std::size_t>::max());
    world.reactor.run_until_idle();
    if (world.reactor.armed() != 0) wrongs.emplace_back("an alarm stays armed");
    for (const auto& provider : world.settings->providers) {
        if (provider->slots.in_use() != 0) wrongs.emplace_back("a slot stays in use");
        if (provider->slots.waiting() != 0) wrongs.emplace_back("somebody waits for a slot");
        if (static_cast<FakeDialer&>(*provider->dialer).under_way() != 0)
            wrongs.emplace_back("somebody dials");
    }
}

// All of it.
inline Wrongs check_all(World& world, const std::vector<std::string>* meant = nullptr) {
    Wrongs wrongs;
    check_nothing_left(world, wrongs);
    check_messages(world.upstream, meant, wrongs);
    check_log(world.log, world.devices.size(), wrongs);
    return wrongs;
}

}  // namespace waxseal::testing
