// One listener as a whole, and the timeouts: who may connect, where its mail goes.
#include <algorithm>
#include <map>
#include <set>

#include "config/checks.hpp"
#include "config/overrides.hpp"
#include "config/values.hpp"

namespace waxseal::config {
namespace {

constexpr std::string_view section = "[[listen]]";

// Whoever can connect sends with our credentials (RFC 6409 4.3), so reaching further than this host
// takes a decision.
void check_allow(Draft<Listen>& draft, Problems& problems) {
    const Place& place = draft.at("address");
    if (!draft.has("allow")) {
        if (loopback(draft.value.address.host)) {
            draft.value.allow = {*parse_network("127.0.0.0/8"), *parse_network("::1/128")};
            return;
        }
        problems.error(place, label(place, section, "address") + to_string(draft.value.address) +
                                  " can be reached from other hosts, and whoever connects sends "
                                  "mail in your name: an open "
                                  "relay; name the networks of your devices with " +
                                  spelling(place, "allow") + ", or listen on 127.0.0.1");
        return;
    }
    for (std::size_t i = 0; i < draft.value.allow.size(); ++i) {
        if (!everyone(draft.value.allow[i])) continue;
        const Entry& allow = *draft.find("allow");
        const Place& item = allow.value.items.size() == draft.value.allow.size()
                                ? allow.value.items[i].place
                                : allow.value.place;
        problems.warn(item, label(item, section, "allow") +
                                "this lets in practically everyone: if a firewall does not stop "
                                "them, strangers will send "
                                "spam in your name; name the networks of your devices instead");
    }
}

void check_names(Draft<Listen>& draft, const std::vector<Draft<Upstream>>& upstreams,
                 Problems& problems) {
    std::vector<std::string_view> known;
    for (const Draft<Upstream>& upstream : upstreams) known.push_back(upstream.value.name);
    if (!draft.has("upstream")) {
        draft.value.upstream.assign(known.begin(), known.end());
        return;
    }
    std::set<std::string_view> seen;
    for (const Value& item : draft.find("upstream")->value.items) {
        if (item.kind != Value::Kind::string) continue;
        std::string text;
        if (std::ranges::find(known, item.text) == known.end()) {
            text = "there is no [[upstream]] named " + quote(item.text) +
                   did_you_mean(item.text, known);
            if (!text.ends_with('?')) text += "; write the name of one";
        } else if (!seen.insert(item.text).second) {
            text = quote(item.text) + " is there twice; remove one";
        }
        if (!text.empty())
            problems.error(item.place, label(item.place, section, "upstream") + text);
    }
}

}  // namespace

void check_listeners(std::vector<Draft<Listen>>& drafts,
                     const std::vector<Draft<Upstream>>& upstreams, Problems& problems) {
    std::map<std::string, Place> seen;
    for (Draft<Listen>& draft : drafts) {
        check_allow(draft, problems);
        check_names(draft, upstreams, problems);
        // Port 0 is another port each time, and what an address that is wrong has been given.
        if (draft.value.address.port == 0) continue;
        const Place& place = draft.at("address");
        const auto [first, fresh] = seen.emplace(to_string(draft.value.address), place);
        if (fresh) continue;
        const std::string where = first->second.line > 0
                                      ? " in line " + std::to_string(first->second.line)
                                      : std::string();
        problems.error(place, label(place, section, "address") + to_string(draft.value.address) +
                                  " is listened on already" + where +
                                  "; write another port, or remove one of the two");
    }
}

void check_timeouts(const Draft<Timeouts>& draft, Problems& problems) {
    const auto floor = [&](std::string_view key, Milliseconds value, Milliseconds least,
                           std::string_view text) {
        if (value >= least) return;
        problems.warn(draft.at(key), label(draft.at(key), "[timeouts]", key) + std::string(text));
    };
    floor("upstream_reply", draft.value.upstream_reply, std::chrono::minutes(5),
          "RFC 5321 4.5.3.2 asks for at least 5m; a slow provider will be given up too early");
    floor("data_reply", draft.value.data_reply, std::chrono::minutes(10),
          "RFC 5321 4.5.3.2 asks for at least 10m; when it is cut short the message may have been "
          "accepted, and the device "
          "sends it twice");
}

}  // namespace waxseal::config
