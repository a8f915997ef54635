// Every bound that is not a setting, in one place, with its source. All sizes are octets.
#pragma once

#include <chrono>
#include <cstddef>

namespace waxseal::limits {

// RFC 5321 4.5.3.1.4 says 512, each extension adds its own (RFC 3461, 4954, 1870 …); Postfix takes
// 2048.
inline constexpr std::size_t command_line = 2048;
// How much of an over-long command line is read and thrown away, looking for its end, before we
// hang up.
inline constexpr std::size_t command_discard = 64 * 1024;
// RFC 4954 4: 12288 octets suffice for any mechanism's response.
inline constexpr std::size_t sasl_line = 12288;
// RFC 4616 2: names of up to 255 octets have to be taken. Passwords may be tokens of an API.
inline constexpr std::size_t sasl_name = 255;
inline constexpr std::size_t sasl_password = 4096;
inline constexpr std::size_t scram_nonce = 256;
// RFC 5321 4.5.3.1: parts of an address.
inline constexpr std::size_t local_part = 64;
inline constexpr std::size_t domain = 255;
inline constexpr std::size_t path = 256;

// RFC 5321 4.5.3.1.5 says 512 for a reply line; providers exceed it.
inline constexpr std::size_t reply_line = 4096;
inline constexpr std::size_t reply_lines = 512;
inline constexpr std::size_t reply_total = 64 * 1024;
// What we write ourselves stays within RFC 5321 4.5.3.1.5, CRLF included.
inline constexpr std::size_t written_reply_line = 512;

// RFC 5321 4.5.3.1.6 says 1000 for a text line; devices exceed it, and we never split one.
inline constexpr std::size_t text_line = 64 * 1024;

// Of a header block: what the editor holds until it knows the whole. (A list of two thousand
// addresses has 80 KiB; Gmail takes 500 KB.)
inline constexpr std::size_t header_block = 256 * 1024;
// RFC 5322 2.1.1, without CRLF.
inline constexpr std::size_t customary_line = 998;

// Recipients beyond max_recipients that are only told so; each further one is an error. (Postfix:
// smtpd_recipient_overshoot_limit.)
inline constexpr std::size_t recipient_overshoot = 1000;
// What is read, looking for its end, of a message that is too large, beyond one and a half times
// the limit, before we hang up.
inline constexpr std::size_t body_discard = 64 * 1024 * 1024;

// Back-pressure between the two sides of a session: reading stops above, resumes below. A record on
// its way and one behind it keep an upstream busy; what it is slow to take is better left with the
// kernel than with us.
inline constexpr std::size_t pending_high = 16 * 1024;
inline constexpr std::size_t pending_low = 8 * 1024;
// Replies owed to a downstream that does not read them: above this its commands wait.
inline constexpr std::size_t pending_replies = 16 * 1024;

// One TLS record (RFC 8446 5.1: 2^14), and one read from a socket: small enough that it is one
// record when it goes on, in which TLS 1.3 has an octet for the type, dots are stuffed, bare line
// ends repaired and BDAT has its line. A record more for a few octets costs a write more.
inline constexpr std::size_t tls_record = 16 * 1024;
inline constexpr std::size_t read_block = tls_record - 256;
// From this on a piece of a message is sent as a chunk of its own (BDAT): one read makes one.
inline constexpr std::size_t chunk = 8 * 1024;
// RCPT commands of one downstream that are under way to the upstream at once.
inline constexpr std::size_t pipelined_recipients = 100;
// Records of one handshake: a chain of certificates in records of 512 octets needs 40.
inline constexpr std::size_t tls_handshake_records = 256;
// Records in a row without content (alerts, tickets, empty ones) after the handshake.
inline constexpr std::size_t tls_quiet_records = 64;
// Sessions to resume with upstreams. A day between two looks at the certificates (RFC 8446 4.6.1
// allows seven, RFC 5246 F.1.4 one). OpenSSL sends two tickets, others one to four; connections
// that are opened at once use one each.
inline constexpr std::chrono::hours tls_session_age{24};
inline constexpr std::size_t tls_sessions_of_place = 16;
inline constexpr std::size_t tls_session_places = 64;
inline constexpr std::size_t tls_session_octets = 16 * 1024;
// How long nothing is offered where an offer has ended the handshake.
inline constexpr std::chrono::hours tls_session_shunned{1};

// Connections to an upstream that are kept ready beyond idle_connections: how long.
inline constexpr std::chrono::milliseconds surplus_connection{2000};
// From when on its slot is for whoever waits elsewhere (another worker, a login that is passed
// through): between two messages it is idle for less, and what takes its place costs a handshake.
inline constexpr std::chrono::milliseconds spare_connection{50};
// An upstream that closes idle connections sooner than this has another reason.
inline constexpr std::chrono::milliseconds idle_limit_least{2000};
// How long a connection may be used altogether. (Postfix: smtp_connection_reuse_time_limit, 300 s.)
inline constexpr std::chrono::milliseconds connection_age{300'000};
// For the first reply on a connection that was kept: a firewall may have forgotten it without a
// word, and the device is waiting.
inline constexpr std::chrono::milliseconds stale_reply{5000};

// PROXY protocol: version 1 says 107 with its CRLF; version 2 could say 64 KiB, of which HAProxy
// sends at most a certificate.
inline constexpr std::size_t proxy_line = 107;
inline constexpr std::size_t proxy_header = 4096;

// SASL rounds with one upstream before we give up on it.
inline constexpr std::size_t sasl_rounds = 8;
// PBKDF2 iterations that a SCRAM server may ask for. RFC 7677 4 has servers ask for 4096 at least;
// with fewer, who only pretends to be ours would get a password that is cheap to guess. 600000 is
// what OWASP advises for stored passwords; more is time that an upstream takes from all sessions.
inline constexpr unsigned scram_iterations_least = 4096;
inline constexpr unsigned scram_iterations_most = 600'000;

// How long a connection waits for a message that is being collected, before it is given back.
inline constexpr std::chrono::milliseconds collecting{1000};
// How long an upstream is thought to wait for the next octet of a body, when it has not shown less:
// Amazon SES closes after ten seconds, most after minutes.
inline constexpr std::chrono::milliseconds body_patience{8000};
// A device that has been silent for so long when an upstream gives up a body is why.
inline constexpr std::chrono::milliseconds body_pause{1000};
// How often it is looked whether a reply has arrived, and how often altogether, before the device
// counts as gone.
inline constexpr std::chrono::milliseconds delivery_look{50};
inline constexpr unsigned delivery_looks = 40;

// Replies to pipelined messages of one session that are looked after; the oldest beyond counts as
// arrived.
inline constexpr std::size_t undelivered_replies = 32;

// Messages whose 250 was lost on its way to the device.
inline constexpr std::size_t remembered_replies = 1000;
// What a message that is collected before it is sent may hold in memory; more is in a file.
inline constexpr std::size_t spool_memory = 1024 * 1024;

// Clients whose connections are counted and whose refusals are told apart in the log: of more,
// those that were not heard of for longest are forgotten.
inline constexpr std::size_t remembered_clients = 10'000;

}  // namespace waxseal::limits
