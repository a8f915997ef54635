// One listener as a whole, and the timeouts: who may connect and send, where the mail goes.
#include <algorithm>
#include <map>

#include "config/check.hpp"
#include "config/files.hpp"
#include "config/overrides.hpp"
#include "config/values.hpp"

namespace waxseal::config {
namespace {

constexpr std::string_view section = "[[listen]]";
constexpr std::size_t longest_unix_path = 107;  // sun_path, unix(7)

class Check : public SectionCheck<Listen> {
  public:
    Check(Draft<Listen>& draft, const Directories& directories, Problems& problems)
        : SectionCheck(section, draft, problems), directories_(directories) {}

    void run(const std::vector<Draft<Upstream>>& upstreams) {
        address();
        check_listener_tls(draft_, directories_, problems_);
        proxy_protocol();
        allow();
        auth();
        check_repairs(draft_, problems_);
        const std::vector<std::string_view> known = names_of(upstreams);
        if (!draft_.has("upstream")) {
            value_.upstream.assign(known.begin(), known.end());
        } else {
            const Place& place = draft_.at("upstream");
            check_names(*draft_.find("upstream"), label(place, section, "upstream"), "[[upstream]]",
                        known, problems_);
        }
    }

  private:
    [[nodiscard]] bool unix_socket() const {
        return std::holds_alternative<UnixPath>(value_.address);
    }

    // What a load balancer brings comes from elsewhere, wherever the load balancer is; and what
    // systemd listens on is not known here.
    [[nodiscard]] bool reachable() const {
        const auto* endpoint = std::get_if<Endpoint>(&value_.address);
        return !unix_socket() &&
               (endpoint == nullptr || !loopback(endpoint->host) || given("proxy_protocol"));
    }

    void address() {
        const Place& place = draft_.at("address");
        value_.address = absolute(std::move(value_.address),
                                  place.line > 0 ? directories_.file : directories_.working);
        if (const auto* socket = std::get_if<UnixPath>(&value_.address);
            socket != nullptr && socket->path.size() > longest_unix_path) {
            fail("address", "the path has " + std::to_string(socket->path.size()) +
                                " octets, and the system takes 107; write a shorter one");
        }
        if (!unix_socket() && draft_.has("mode")) {
            fail("mode",
                 "only a unix socket has permissions; remove it, or write address = "
                 "\"unix:/run/waxseal/smtp.sock\"");
        }
    }

    void proxy_protocol() {
        if (unix_socket() && given("proxy_protocol")) {
            fail("proxy_protocol",
                 "what connects to a unix socket has no network address; remove it, or listen on "
                 "an IP address");
        }
    }

    // Whoever can connect sends with our credentials (RFC 6409 4.3), so reaching further than this
    // host takes a decision: networks, logins or certificates.
    void allow() {
        const bool proves = requires_login(value_) ||
                            draft_.value.client_certificate == ClientCertificate::required;
        if (unix_socket()) {
            // An --allow is for all listeners; this one has no use for it.
            if (draft_.at("allow").line > 0 && draft_.has("allow")) {
                warn("allow",
                     "has no effect on a unix socket; its permissions say who may connect, see "
                     "mode");
            }
            value_.allow = everywhere();
        } else if (draft_.has("allow")) {
            if (!proves) warn_of_everyone();
        } else if (proves) {
            value_.allow = everywhere();
        } else if (reachable()) {
            fail("address", open_relay());
        } else {
            value_.allow = {*parse_network("127.0.0.0/8"), *parse_network("::1/128")};
        }
    }

    [[nodiscard]] std::string open_relay() const {
        const Place& place = draft_.at("address");
        std::string text = to_string(value_.address);
        text += given("proxy_protocol")
                    ? " has clients behind a load balancer (proxy_protocol), and "
                    : " can be reached from other hosts, and ";
        text += value_.auth == ListenAuth::any
                    ? "auth = \"any\" takes every login, so whoever connects sends mail in your "
                      "name: an open relay"
                    : "whoever connects sends mail in your name: an open relay";
        text += "; name the networks of your devices with " + spelling(place, "allow");
        if (place.line > 0) text += ", let them log in with auth = \"local\"";
        return given("proxy_protocol") ? text : text + ", or listen on 127.0.0.1";
    }

    void warn_of_everyone() {
        const Entry& entry = *draft_.find("allow");
        for (std::size_t i = 0; i < value_.allow.size(); ++i) {
            if (!everyone(value_.allow[i])) continue;
            const Place& item = entry.value.items.size() == value_.allow.size()
                                    ? entry.value.items[i].place
                                    : entry.value.place;
            problems_.warn(item, label(item, section, "allow") +
                                     "this lets in practically everyone: if a firewall does not "
                                     "stop them, strangers will send spam in your name; name the "
                                     "networks of your devices instead");
        }
    }

    void auth() {
        if (true_("legacy_auth") && (!draft_.has("auth") || written("auth", "none"))) {
            fail("legacy_auth",
                 "has no effect with auth = \"none\", which offers no login; write auth = \"any\" "
                 "or \"local\" beside it, or remove it");
        }
        if (!requires_login(value_) || !reachable()) return;
        if (value_.tls == ListenTls::none) {
            warn("auth",
                 "without TLS the passwords of the devices cross the network in clear; write tls = "
                 "\"starttls\", \"implicit\" or \"auto\" beside it");
        } else if (value_.tls != ListenTls::implicit && !value_.require_tls) {
            warn("auth",
                 "a device that does not use TLS says its password in clear; write require_tls = "
                 "true beside it, unless there are devices that cannot");
        }
    }

    const Directories& directories_;
};

}  // namespace

bool requires_login(const Listen& listen) noexcept {
    return listen.auth == ListenAuth::local || listen.auth == ListenAuth::passthrough;
}

ListenAddress absolute(ListenAddress address, const std::string& directory) {
    if (auto* socket = std::get_if<UnixPath>(&address))
        socket->path = resolve(directory, socket->path);
    return address;
}

void check_listeners(Drafts& drafts, const Directories& directories, Problems& problems) {
    std::map<std::string, Place> seen;
    for (Draft<Listen>& draft : drafts.listen) {
        Check(draft, directories, problems).run(drafts.upstream);
        // Port 0 is another port each time, and what an address that is wrong has been given.
        const auto* endpoint = std::get_if<Endpoint>(&draft.value.address);
        if (endpoint != nullptr && endpoint->port == 0) continue;
        const Place& place = draft.at("address");
        const std::string address = to_string(draft.value.address);
        const auto [first, fresh] = seen.emplace(address, place);
        if (fresh) continue;
        const std::string where = first->second.line > 0
                                      ? " in line " + std::to_string(first->second.line)
                                      : std::string();
        problems.error(
            place, label(place, section, "address")
                       .append(address)
                       .append(" is listened on already")
                       .append(where)
                       .append(endpoint != nullptr ? "; write another port" : "; write another one")
                       .append(", or remove one of the two"));
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
