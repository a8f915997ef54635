// A scripted upstream for the client machine, and what the machine makes of a scenario.
//
// A scenario is a list of steps: an act (or none, while the machine logs in by itself), the octets
// the machine must have sent by then, and the upstream's answer. So the same scenario can have its
// answers cut up anywhere, and go wrong at every step in every way.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/client.hpp"

namespace waxseal::testing {

using Act = std::function<void(smtp::Client&)>;

struct ClientStep {
    Act act;
    std::string expect;
    std::string reply;
};

// What a machine is made of.
struct ClientSetup {
    smtp::ClientSettings settings;
    std::optional<smtp::Credentials> credentials = std::nullopt;
    smtp::ClientCertificate certificate = smtp::ClientCertificate::none;
    std::optional<smtp::Xclient> xclient = std::nullopt;
};

struct ClientScenario {
    ClientSetup setup;
    std::vector<ClientStep> steps;
};

struct ClientRun {
    std::string events;  // one a line
    std::string output;
    bool failed = false;
    friend bool operator==(const ClientRun&, const ClientRun&) = default;
};

class ClientPeer {
  public:
    // A channel with implicit TLS is verified from the start.
    explicit ClientPeer(const ClientSetup& setup);

    void receive(std::string_view bytes);
    void end(EndOfInput how);
    // Lets the machine work until it waits; at StartTls it is told that TLS is up. Takes all
    // output.
    void run();
    // What was sent since the last call.
    [[nodiscard]] std::string fresh();

    [[nodiscard]] smtp::Client& client() { return client_; }
    [[nodiscard]] const ClientRun& result() const { return run_; }
    [[nodiscard]] bool secured() const { return secured_; }

  private:
    smtp::ClientSettings settings_;  // the machine refers to it
    smtp::ClientCertificate certificate_;
    smtp::Client client_;
    ClientRun run_;
    std::size_t seen_ = 0;
    bool secured_ = false;
};

// The script in one go, and then every answer cut in every way: all must give `events`.
void expect(const ClientScenario& scenario, std::string_view events);
// The script with something wrong at every step: an end of input of each kind at every octet of the
// answer, 421, refusals, garbage, an answer too many. Whatever happens: no credential before TLS,
// no end mark but the script's own, nothing said after a failure.
void expect_safe_everywhere(const ClientScenario& scenario);

[[nodiscard]] ClientSetup plain_setup(smtp::Security security);
[[nodiscard]] ClientSetup login_setup(smtp::Security security, smtp::SaslChoice choice);

// Acts.
[[nodiscard]] Act mail(std::string path, smtp::MailParameters parameters = {});
[[nodiscard]] Act rcpt(std::string path, smtp::RcptParameters parameters = {});
[[nodiscard]] Act data();
[[nodiscard]] Act body(std::string decoded);
[[nodiscard]] Act end_of_data();
[[nodiscard]] Act reset();
[[nodiscard]] Act quit();

// How every login begins, and what the tests' upstream offers.
inline const std::string ehlo = "EHLO relay.test\r\n";
inline const std::string offer =
    "250-up.test\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-DSN\r\n250-STARTTLS\r\n"
    "250 AUTH PLAIN LOGIN CRAM-MD5\r\n";
inline const std::string password = "correct horse";

}  // namespace waxseal::testing
