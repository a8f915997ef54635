#include "app/application.hpp"

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "app/command_line.hpp"
#include "app/demo.hpp"
#include "app/exit_codes.hpp"
#include "app/log_sink.hpp"
#include "app/password_prompt.hpp"
#include "app/processors.hpp"
#include "app/service.hpp"
#include "app/snapshot.hpp"
#include "app/summary.hpp"
#include "auth/sasl_message.hpp"
#include "auth/verifier.hpp"
#include "base/log.hpp"

namespace waxseal::app {

namespace {

void say(std::string_view line) {
    (void)std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

int give_up(std::string_view line, int code) {
    say(line);
    return code;
}

config::Environment waxseal_variables(const char* const* environment) {
    config::Environment variables;
    for (; environment != nullptr && *environment != nullptr; ++environment) {
        const std::string_view entry = *environment;
        const std::size_t equals = entry.find('=');
        if (equals == std::string_view::npos) continue;
        // STATE_DIRECTORY comes from systemd, where the unit has StateDirectory=.
        if (!entry.starts_with("WAXSEAL_") && !entry.starts_with("STATE_DIRECTORY=")) continue;
        variables.emplace(entry.substr(0, equals), entry.substr(equals + 1));
    }
    return variables;
}

void warn_of(const std::vector<config::Problem>& warnings) {
    for (const config::Problem& warning : warnings)
        log::warn("configuration_warning", {{"text", warning.to_string()}});
}

constexpr std::string_view more_files =
    "raise the limit of open files (LimitNOFILE= in the systemd unit, ulimit -n in a shell) or "
    "lower "
    "max_sessions";

bool capped(const Snapshot& snapshot) {
    return snapshot.room < snapshot.config.limits.max_sessions;
}

void warn_of_cap(const Snapshot& snapshot) {
    if (!capped(snapshot)) return;
    log::warn("max_sessions_capped", {{"max_sessions", snapshot.config.limits.max_sessions},
                                      {"possible", snapshot.room},
                                      {"advice", more_files}});
}

// The log lives as long as this: what is queued is written at its end.
class LogScope {
  public:
    explicit LogScope(const config::Log& settings)
        : sink_(std::make_shared<LogSink>(stderr_target(settings.format))) {
        log::install(sink_, to_level(settings.level));
    }
    ~LogScope() { log::install(nullptr, log::Level::info); }
    LogScope(const LogScope&) = delete;
    LogScope& operator=(const LogScope&) = delete;
    void apply(const config::Log& settings) {
        sink_->set_format(stderr_target(settings.format).format);
        log::set_lowest(to_level(settings.level));
    }

  private:
    std::shared_ptr<LogSink> sink_;
};

int check(const CheckCommand& command, const config::Environment& environment) {
    const auto loaded = config::load(command.flags, environment);
    if (!loaded) {
        for (const config::Problem& problem : loaded.error()) say(problem.to_string());
        return exit_configuration;
    }
    for (const config::Problem& warning : loaded->warnings) say(warning.to_string());
    net::Loop loop;
    const Secret seed = new_seed();
    const auto snapshot =
        build({loop, seed, worker_count(loaded->config.workers)}, loaded->config, Missing::leave);
    if (!snapshot) {
        for (const Error& error : snapshot.error()) say(error.text);
        return exit_configuration;
    }
    if (capped(**snapshot)) {
        say("[limits] max_sessions: only " + std::to_string((*snapshot)->room) + " of " +
            std::to_string(loaded->config.limits.max_sessions) + " are possible here; " +
            std::string(more_files));
    }
    for (const CertificateNote& note : (*snapshot)->certificates) {
        if (expiry(note.not_after, present()) != Expiry::far) say(expiry_line(note, present()));
    }
    const std::string file = loaded->config.file.empty() ? "no file" : loaded->config.file;
    (void)std::printf("%s: ok, %zu listener(s), %zu upstream(s)\n", file.c_str(),
                      loaded->config.listen.size(), loaded->config.upstream.size());
    for (const std::string& line : summary(**snapshot)) (void)std::printf("  %s\n", line.c_str());
    return exit_ok;
}

// The next configuration on SIGHUP; nothing, and a logged reason for each problem, when it is bad.
std::shared_ptr<Snapshot> reloaded(Service& service, const config::Flags& flags,
                                   const config::Environment& environment) {
    const auto refuse = [](const std::string& reason) {
        log::error("reload_failed",
                   {{"reason", reason}, {"effect", "the old configuration stays"}});
    };
    auto loaded = config::load(flags, environment);
    if (!loaded) {
        for (const config::Problem& problem : loaded.error()) refuse(problem.to_string());
        return nullptr;
    }
    auto snapshot = build(service.runtime(), loaded->config, Missing::make);
    if (!snapshot) {
        for (const Error& error : snapshot.error()) refuse(error.text);
        return nullptr;
    }
    warn_of(loaded->warnings);
    return *std::move(snapshot);
}

int run(const RunCommand& command, const config::Environment& environment) {
    const auto loaded = config::load(command.flags, environment);
    if (!loaded) {
        for (const config::Problem& problem : loaded.error()) say(problem.to_string());
        return exit_configuration;
    }
    auto passed = net::take_inherited_sockets();
    if (!passed) return give_up(passed.error().text, exit_system);
    LogScope log_scope(loaded->config.log);
    warn_of(loaded->warnings);
    Service service(*std::move(passed), worker_count(loaded->config.workers));
    auto snapshot = build(service.runtime(), loaded->config, Missing::make);
    if (!snapshot) {
        for (const Error& error : snapshot.error()) say(error.text);
        return exit_configuration;
    }
    warn_of_cap(**snapshot);
    if (auto started = service.start(*std::move(snapshot)); !started) {
        say(started.error().text);
        return exit_system;
    }
    service.on_reload([&] { return reloaded(service, command.flags, environment); },
                      [&](const Snapshot& next) {
                          log_scope.apply(next.config.log);
                          warn_of_cap(next);
                      });
    service.run();
    return exit_ok;
}

// Prints what can stand in password_hash. Refused is what could never be given at a login.
int hash_password() {
    const auto password = ask_password("Password: ");
    if (!password) return give_up(password.error().text, exit_system);
    if (const auto good = auth::parse_password(password->reveal()); !good)
        return give_up(good.error().reason, exit_usage);
    if (stdin_is_terminal()) {
        const auto again = ask_password("Again: ");
        if (!again) return give_up(again.error().text, exit_system);
        if (again->reveal() != password->reveal())
            return give_up("the two passwords are not the same", exit_usage);
    }
    (void)std::printf("%s\n", auth::hash_password(*password).c_str());
    return exit_ok;
}

}  // namespace

int main(int argc, const char* const* argv, const char* const* environment) {
    const Command command = parse_command_line(argc, argv);
    if (const auto* print = std::get_if<PrintCommand>(&command)) {
        (void)std::fputs(print->text.c_str(), print->exit_code == exit_ok ? stdout : stderr);
        return print->exit_code;
    }
    const config::Environment variables = waxseal_variables(environment);
    if (const auto* wanted = std::get_if<RunCommand>(&command)) return run(*wanted, variables);
    if (const auto* wanted = std::get_if<CheckCommand>(&command)) return check(*wanted, variables);
    if (std::holds_alternative<HashPasswordCommand>(command)) return hash_password();
    return demo(std::get<DemoCommand>(command).listen);
}

}  // namespace waxseal::app
