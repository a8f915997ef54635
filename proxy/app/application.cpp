#include "app/application.hpp"

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "app/command_line.hpp"
#include "app/demo.hpp"
#include "app/exit_codes.hpp"
#include "app/log_sink.hpp"
#include "app/service.hpp"
#include "app/snapshot.hpp"
#include "base/log.hpp"

namespace waxseal::app {

namespace {

void say(std::string_view line) {
    (void)std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
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

// The log lives as long as this: what is queued is written at its end.
class LogScope {
  public:
    explicit LogScope(const config::Log& settings) {
        log::install(std::make_shared<LogSink>(stderr_target(settings.format)),
                     to_level(settings.level));
    }
    ~LogScope() { log::install(nullptr, log::Level::info); }
    LogScope(const LogScope&) = delete;
    LogScope& operator=(const LogScope&) = delete;
};

int check(const CheckCommand& command, const config::Environment& environment) {
    const auto loaded = config::load(command.flags, environment);
    if (!loaded) {
        for (const config::Problem& problem : loaded.error()) say(problem.to_string());
        return exit_configuration;
    }
    for (const config::Problem& warning : loaded->warnings) say(warning.to_string());
    net::Loop loop;
    net::Resolver resolver;
    const auto snapshot = build(loop, resolver, loaded->config);
    if (!snapshot) {
        for (const Error& error : snapshot.error()) say(error.text);
        return exit_configuration;
    }
    const std::string file = loaded->config.file.empty() ? "no file" : loaded->config.file;
    (void)std::printf("%s: ok, %zu listener(s), %zu upstream(s)\n", file.c_str(),
                      loaded->config.listen.size(), loaded->config.upstream.size());
    return exit_ok;
}

// The next configuration on SIGHUP; nothing, and a logged reason for each problem, when it is bad.
std::shared_ptr<const Snapshot> reloaded(Service& service, const config::Flags& flags,
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
    auto snapshot = build(service.loop(), service.resolver(), loaded->config);
    if (!snapshot) {
        for (const Error& error : snapshot.error()) refuse(error.text);
        return nullptr;
    }
    warn_of(loaded->warnings);
    log::set_lowest(to_level(loaded->config.log.level));
    return *std::move(snapshot);
}

int run(const RunCommand& command, const config::Environment& environment) {
    const auto loaded = config::load(command.flags, environment);
    if (!loaded) {
        for (const config::Problem& problem : loaded.error()) say(problem.to_string());
        return exit_configuration;
    }
    const LogScope log_scope(loaded->config.log);
    warn_of(loaded->warnings);
    Service service;
    auto snapshot = build(service.loop(), service.resolver(), loaded->config);
    if (!snapshot) {
        for (const Error& error : snapshot.error()) say(error.text);
        return exit_configuration;
    }
    if (auto started = service.start(*std::move(snapshot)); !started) {
        say(started.error().text);
        return exit_system;
    }
    service.on_reload([&] { return reloaded(service, command.flags, environment); });
    service.run();
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
    return demo(std::get<DemoCommand>(command).listen);
}

}  // namespace waxseal::app
