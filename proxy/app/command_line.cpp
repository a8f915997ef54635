#include "app/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <optional>
#include <sstream>
#include <string_view>

#include "app/exit_codes.hpp"
#include "base/text.hpp"

namespace waxseal::app {

namespace {

constexpr const char* description =
    "waxseal " WAXSEAL_VERSION
    " - an SMTP proxy: takes mail from devices and programs, secured as they can or not at all,\n"
    "and passes each message on to a provider over verified TLS, as it comes.";

constexpr const char* footer =
    "Every flag can be an environment variable: WAXSEAL_CONFIG, WAXSEAL_LISTEN, WAXSEAL_ALLOW, "
    "WAXSEAL_UPSTREAM, WAXSEAL_USERNAME,\n"
    "WAXSEAL_PASSWORD_FILE, WAXSEAL_CA_FILE, WAXSEAL_SENDER, WAXSEAL_LOG_LEVEL, "
    "WAXSEAL_LOG_FORMAT;\n"
    "WAXSEAL_HOSTNAME and WAXSEAL_WORKERS are [server] hostname and workers. Flag beats "
    "environment beats file.\n"
    "Exit codes: 0 ok, 64 usage, 71 system error (port in use, ...), 78 configuration error.";

void add_configuration_flags(CLI::App& command, config::Flags& flags) {
    command
        .add_option("-c,--config", flags.config,
                    "configuration file (TOML); default /etc/waxseal/waxseal.toml if it exists")
        ->type_name("FILE");
    command
        .add_option("--listen", flags.listen,
                    "address to listen on instead of the file's; may be given several times")
        ->type_name("ADDR");
    command
        .add_option("--allow", flags.allow,
                    "network that may connect, such as 192.0.2.0/24; may be given several times")
        ->type_name("CIDR");
    command
        .add_option("--upstream", flags.upstream,
                    "smtps://host[:465] (implicit TLS) or smtp://host[:587] (STARTTLS, required)")
        ->type_name("URL");
    command.add_option("--username", flags.username, "account at the upstream")->type_name("USER");
    command.add_option("--password-file", flags.password_file, "file with its password")
        ->type_name("FILE");
    command
        .add_option("--ca-file", flags.ca_file,
                    "PEM file of the authorities to trust instead of the system's")
        ->type_name("FILE");
    command
        .add_option("--sender", flags.sender,
                    "address to send everything as, in the envelope and in From")
        ->type_name("ADDR");
    command.add_option("--log-level", flags.log_level, "debug, info, warn or error")
        ->type_name("LEVEL");
    command.add_option("--log-format", flags.log_format, "auto, text, json or logfmt")
        ->type_name("FORMAT");
}

constexpr std::array<std::string_view, 4> commands{"run", "check", "demo", "hash-password"};

// CLI11 would only say that a sub-command is required.
std::optional<PrintCommand> unknown_command(int argc, const char* const* argv) {
    if (argc < 2 || std::string_view(argv[1]).starts_with('-')) return std::nullopt;
    const std::string_view word = argv[1];
    if (std::find(commands.begin(), commands.end(), word) != commands.end()) return std::nullopt;
    std::string text = "waxseal: unknown command \"" + text::escape(word, 64) + "\"";
    if (const auto near = text::nearest(word, commands))
        text += "; did you mean " + std::string(*near) + "?";
    return PrintCommand{
        text + "\nThere are run, check, demo and hash-password; waxseal --help says more.\n",
        exit_usage};
}

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
    if (auto refusal = unknown_command(argc, argv)) return *std::move(refusal);
    CLI::App app(description, "waxseal");
    app.footer(footer);
    app.set_version_flag("--version", "waxseal " WAXSEAL_VERSION);
    app.require_subcommand(1);
    RunCommand run;
    CheckCommand check;
    DemoCommand demo;
    CLI::App* const run_app = app.add_subcommand("run", "relay mail until told to stop");
    add_configuration_flags(*run_app, run.flags);
    CLI::App* const check_app =
        app.add_subcommand("check", "read and validate everything run would use; start nothing");
    add_configuration_flags(*check_app, check.flags);
    CLI::App* const demo_app = app.add_subcommand(
        "demo", "proxy and a built-in mailbox on loopback, nothing to configure");
    demo_app->add_option("--listen", demo.listen, "address of the proxy")
        ->type_name("ADDR")
        ->capture_default_str();
    const CLI::App* const hash_app = app.add_subcommand(
        "hash-password",
        "ask for a password twice, or read a line from a pipe; print what password_hash wants");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        std::ostringstream text;
        const int code = app.exit(error, text, text);
        return PrintCommand{text.str(), code == 0 ? exit_ok : exit_usage};
    }
    if (run_app->parsed()) return run;
    if (check_app->parsed()) return check;
    if (hash_app->parsed()) return HashPasswordCommand{};
    return demo;
}

}  // namespace waxseal::app
