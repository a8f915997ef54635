// load() and load_text(): the order of things. Read the file, read flags and environment, put the
// latter over the former, then judge what is left as a whole.
#include <algorithm>

#include "config/checks.hpp"
#include "config/files.hpp"
#include "config/overrides.hpp"
#include "config/values.hpp"

namespace waxseal::config {
namespace {

using Result = std::expected<Loaded, std::vector<Problem>>;

void override_listen(Drafts& drafts, const Overrides& overrides, const std::string& source,
                     Problems& problems) {
    if (!overrides.listen.empty()) {
        drafts.listen.clear();
        for (const Entry& entry : overrides.listen) {
            Draft<Listen>& draft = drafts.listen.emplace_back();
            draft.place = entry.place;
            read_entry(entry, "[[listen]]", listen_keys, draft, problems);
        }
        std::erase_if(drafts.route, [](const auto& draft) { return draft.has("listen"); });
    }
    if (drafts.listen.empty()) drafts.listen.emplace_back().place = {source, 0, 0};
    if (!overrides.allow) return;
    // Read once, so that what is wrong with it is said once.
    Draft<Listen> allow;
    read_entry(*overrides.allow, "[[listen]]", listen_keys, allow, problems);
    for (Draft<Listen>& draft : drafts.listen) {
        draft.value.allow = allow.value.allow;
        draft.entries.push_back(*overrides.allow);
    }
}

void replace_upstreams(Drafts& drafts, const Entry& given, Problems& problems) {
    Draft<Upstream> draft;
    draft.place = given.place;
    // So that the checks know that address and encryption were given, and where.
    for (const std::string_view key : {"address", "tls"}) {
        draft.entries.push_back(given);
        draft.entries.back().key = key;
    }
    const auto url = parse_upstream_url(given.value.text);
    if (url) {
        draft.value.address = url->address;
        draft.value.tls = url->tls;
    } else {
        problems.error(given.place, url.error());
    }
    drafts.upstream.clear();
    drafts.upstream.push_back(std::move(draft));
    // These are about upstreams that are gone.
    drafts.route.clear();
    for (Draft<User>& user : drafts.user) {
        std::erase_if(user.entries, [](const Entry& entry) { return entry.key == "upstream"; });
        user.value.upstream.clear();
    }
    for (Draft<Listen>& listen : drafts.listen) {
        std::erase_if(listen.entries, [](const Entry& entry) { return entry.key == "upstream"; });
    }
}

void override_upstream(Drafts& drafts, const Overrides& overrides, Problems& problems) {
    if (overrides.upstream) replace_upstreams(drafts, *overrides.upstream, problems);
    for (const auto& entry :
         {overrides.username, overrides.password_file, overrides.ca_file, overrides.sender}) {
        if (!entry || drafts.upstream.empty()) continue;
        if (drafts.upstream.size() > 1) {
            problems.error(entry->place,
                           "the file has " + std::to_string(drafts.upstream.size()) +
                               " [[upstream]], and it is not clear which is meant; write " +
                               entry->key + " under the one in the file");
            continue;
        }
        read_entry(*entry, "[[upstream]]", upstream_keys, drafts.upstream.front(), problems);
    }
}

void override_rest(Drafts& drafts, const Overrides& overrides, Problems& problems) {
    if (overrides.level) read_entry(*overrides.level, "[log]", log_keys, drafts.log, problems);
    if (overrides.format) read_entry(*overrides.format, "[log]", log_keys, drafts.log, problems);
    if (overrides.hostname)
        read_entry(*overrides.hostname, "[server]", server_keys, drafts.server, problems);
    if (overrides.workers)
        read_entry(*overrides.workers, "[server]", server_keys, drafts.server, problems);
}

void check_whole(Drafts& drafts, const std::string& file, const Directories& directories,
                 Problems& problems) {
    if (drafts.upstream.empty()) {
        problems.error(
            {file.empty() ? "configuration" : file, file.empty() ? 0U : 1U, file.empty() ? 0U : 1U},
            "there is no upstream to send mail to; write [[upstream]] with address = "
            "\"smtp.example.com:465\" in " +
                (file.empty() ? std::string("a file and give it with -c FILE")
                              : std::string("the file")) +
                ", or give --upstream smtps://smtp.example.com (WAXSEAL_UPSTREAM)");
    }
    check_listeners(drafts, directories, problems);
    check_users(drafts, directories, problems);
    check_routes(drafts, directories, problems);
    check_upstreams(drafts, directories, problems);
    check_sender_rules(drafts, problems);
    check_timeouts(drafts.timeouts, problems);
}

// systemd may name several, separated by colons.
std::string state_directory(const Draft<Server>& server, const Directories& directories,
                            const Environment& environment) {
    if (!server.value.state_dir.empty()) return resolve(directories.file, server.value.state_dir);
    const auto given = environment.find("STATE_DIRECTORY");
    if (given == environment.end() || given->second.empty()) return "/var/lib/waxseal";
    return resolve(directories.working, given->second.substr(0, given->second.find(':')));
}

Config assemble(Drafts&& drafts, const std::string& file, const Directories& directories,
                const Environment& environment) {
    Config config;
    config.state_dir = state_directory(drafts.server, directories, environment);
    config.file = file;
    config.own_domains = std::move(drafts.server.value.own_domains);
    config.workers = drafts.server.value.workers;
    config.hostname =
        drafts.server.value.hostname.empty() ? own_hostname() : drafts.server.value.hostname;
    for (Draft<Listen>& draft : drafts.listen) config.listen.push_back(std::move(draft.value));
    for (Draft<Upstream>& draft : drafts.upstream)
        config.upstream.push_back(std::move(draft.value));
    for (Draft<User>& draft : drafts.user) config.user.push_back(std::move(draft.value));
    for (Draft<Route>& draft : drafts.route) config.route.push_back(std::move(draft.value));
    config.limits = drafts.limits.value;
    config.timeouts = drafts.timeouts.value;
    config.log = drafts.log.value;
    return config;
}

Result load_document(std::string_view toml, const std::string& file, const Directories& directories,
                     const Overrides& overrides, const Environment& environment,
                     Problems problems) {
    Drafts drafts;
    auto document = parse_document(toml, file);
    if (document) {
        drafts = read_document(*document, problems);
    } else {
        problems.error(document.error().place, document.error().text);
    }
    override_listen(drafts, overrides, file, problems);
    override_upstream(drafts, overrides, problems);
    override_rest(drafts, overrides, problems);
    // Without the file nobody knows what is missing.
    if (document) check_whole(drafts, file, directories, problems);
    const bool failed = problems.failed();
    std::vector<Problem> found = problems.take(file);
    if (failed) return std::unexpected(std::move(found));
    return Loaded{assemble(std::move(drafts), file, directories, environment), std::move(found)};
}

}  // namespace

Result load_text(std::string_view toml, const std::string& name, const std::string& directory,
                 const Flags& flags, const Environment& environment) {
    Problems problems;
    const Overrides overrides = read_overrides(flags, environment, problems);
    const std::string working = working_directory();
    return load_document(toml, name, {resolve(working, directory), working}, overrides, environment,
                         std::move(problems));
}

Result load(const Flags& flags, const Environment& environment) {
    Problems problems;
    const Overrides overrides = read_overrides(flags, environment, problems);
    std::string file;
    if (overrides.config) {
        file = overrides.config->value.text;
        if (file.empty()) {
            problems.error(overrides.config->place,
                           "names no file; write the path of one, or leave it out");
            return std::unexpected(problems.take(file));
        }
    } else if (!overrides.upstream && file_exists(flags.default_config)) {
        file = flags.default_config;
    }
    const std::string working = working_directory();
    if (file.empty())
        return load_document({}, {}, {working, working}, overrides, environment,
                             std::move(problems));
    auto text = read_config_file(file);
    if (!text) {
        const Place place{overrides.config ? overrides.config->place.source : file, 0, 0};
        problems.error(place,
                       (overrides.config ? quote(file) + ' ' : std::string()) + text.error());
        return std::unexpected(problems.take(file));
    }
    return load_document(*text, file, {directory_of(file), working}, overrides, environment,
                         std::move(problems));
}

}  // namespace waxseal::config
