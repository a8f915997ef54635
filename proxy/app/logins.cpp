#include "app/logins.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "app/messages.hpp"
#include "app/password_file.hpp"
#include "base/text.hpp"

namespace waxseal::app {

namespace {

std::string section(const config::User& user, std::string_view key) {
    return "[[user]] \"" + text::escape(user.name) + "\" " + std::string(key) + ": ";
}

std::expected<auth::Verifier, Error> verifier(const config::User& user) {
    if (!user.password_hash.empty()) {
        auto parsed = auth::Verifier::parse(user.password_hash);
        if (!parsed)
            return std::unexpected(Error{user.password_hash_place +
                                         ": [[user]] password_hash: " + parsed.error().text});
        return parsed;
    }
    auto password = read_password(user.password_file);
    if (!password)
        return std::unexpected(Error{section(user, "password_file") + password.error().text});
    return auth::Verifier(*std::move(password));
}

std::expected<auth::User, Error> user_of(const config::User& user,
                                         const std::vector<std::string>& own_domains,
                                         std::vector<Error>& errors) {
    auto check = verifier(user);
    if (!check) return std::unexpected(std::move(check).error());
    const std::string place = "[[user]] \"" + text::escape(user.name) + '"';
    return auth::User{
        .name = user.name,
        .verifier = *std::move(check),
        .allow = user.allow,
        .senders = make_patterns(user.senders, place + " senders", errors),
        .upstream = user.upstream,
        .recipients = make_patterns(user.recipients, place + " recipients", errors),
        .sender = make_sender_rule(user.sender, own_domains, place, errors),
    };
}

auth::Mode mode(config::ListenAuth auth) {
    switch (auth) {
        case config::ListenAuth::local:
            return auth::Mode::local;
        case config::ListenAuth::passthrough:
            return auth::Mode::passthrough;
        case config::ListenAuth::any:
        case config::ListenAuth::none:
            break;
    }
    return auth::Mode::any;
}

}  // namespace

Providers named(const Providers& all, const std::vector<std::string>& names) {
    Providers result;
    for (const std::string& name : names) {
        const auto found =
            std::ranges::find(all, name, [](const auto& provider) { return provider->name; });
        if (found != all.end()) result.push_back(*found);
    }
    return result;
}

std::shared_ptr<const auth::Users> make_users(const config::Config& config,
                                              std::vector<Error>& errors) {
    std::vector<auth::User> users;
    for (const config::User& user : config.user) {
        auto made = user_of(user, config.own_domains, errors);
        if (made) {
            users.push_back(*std::move(made));
        } else {
            errors.push_back(made.error());
        }
    }
    return std::make_shared<const auth::Users>(std::move(users));
}

std::shared_ptr<const auth::Authenticator> make_authenticator(
    const config::Listen& listen, std::string hostname, std::shared_ptr<const auth::Users> users,
    const Secret& seed) {
    if (listen.auth == config::ListenAuth::none) return nullptr;
    auth::AuthenticatorOptions options;
    options.mode = mode(listen.auth);
    options.hostname = std::move(hostname);
    if (listen.auth == config::ListenAuth::local) {
        options.users = std::move(users);
        options.seed = seed.clone();
    }
    return std::make_shared<const auth::Authenticator>(std::move(options));
}

std::shared_ptr<const relay::RouteTable> make_routes(const config::Config& config,
                                                     const Providers& all,
                                                     std::vector<Error>& errors) {
    std::vector<relay::Route> routes;
    for (const config::Route& route : config.route) {
        relay::Route made{route.listen, route.user, {}, named(all, route.upstream)};
        made.senders = make_patterns(route.sender, "[[route]] sender", errors);
        routes.push_back(std::move(made));
    }
    return std::make_shared<const relay::RouteTable>(std::move(routes));
}

}  // namespace waxseal::app
