// The protocol of the server machine, as a table: one row a verb. What a row does not allow is
// answered 503 5.5.1, what it needs and has not got 530 5.7.0.
//
// RFC 5321 4.1.4 (order), RFC 2920 3.1 (which commands end a batch), RFC 3207 4 and RFC 4954 6
// (what may be said before TLS and AUTH where they are required). proxy/DESIGN.md shows this table;
// a test compares.
#pragma once

#include <array>
#include <string_view>

#include "smtp/server.hpp"

namespace waxseal::smtp {

struct ServerTable {
    // How a command stands in a pipelined batch.
    enum class Batch : std::uint8_t {
        inner,  // more may follow at once
        last,   // should be the last of its batch; what follows waits for the answer
        sync,  // must be the last: octets already behind it are a violation, because what they mean
               // depends on the answer
    };
    // What must have come before it, where the settings require that.
    enum class Needs : std::uint8_t { nothing, tls, login };  // login: TLS and AUTH
    struct Row {
        Verb verb;
        ServerPhases phases;  // in which it is legal
        Needs needs;
        Batch batch;
        Server::Handled (Server::*handler)(const Command&);
        std::string_view answer;  // what it does, for people
    };
    using P = Server::Phase;
    static constexpr ServerPhases anywhere = P::greeted | P::ready | P::mail | P::rcpt | P::doomed;
    // clang-format off
    static constexpr std::array<Row, verb_count> rows{{                                                    // sizes: table
        {Verb::ehlo,     anywhere,                         Needs::nothing, Batch::last,  &Server::on_hello,         "Hello; ends a transaction; 250 with the translated offer"},
        {Verb::helo,     anywhere,                         Needs::tls,     Batch::last,  &Server::on_hello,         "Hello; ends a transaction; 250"},
        {Verb::mail,     P::ready | P::doomed,             Needs::login,   Batch::inner, &Server::on_mail,          "Mail; 250, or what is known to be impossible"},
        {Verb::rcpt,     P::mail | P::rcpt | P::doomed,    Needs::tls,     Batch::inner, &Server::on_rcpt,          "Rcpt; the upstream's reply"},
        {Verb::data,     P::mail | P::rcpt | P::doomed,    Needs::tls,     Batch::sync,  &Server::on_data,          "DataRequested; 354. Read tolerantly, the message may stand behind it"},
        {Verb::rset,     anywhere,                         Needs::tls,     Batch::inner, &Server::on_rset,          "Reset if in a transaction; 250"},
        {Verb::noop,     anywhere,                         Needs::nothing, Batch::inner, &Server::on_answered_here, "250"},
        {Verb::quit,     anywhere,                         Needs::nothing, Batch::last,  &Server::on_quit,          "Quit; 221"},
        {Verb::vrfy,     anywhere,                         Needs::tls,     Batch::inner, &Server::on_answered_here, "252: nobody's existence is disclosed"},
        {Verb::expn,     anywhere,                         Needs::tls,     Batch::inner, &Server::on_answered_here, "502"},
        {Verb::help,     anywhere,                         Needs::tls,     Batch::inner, &Server::on_answered_here, "214"},
        {Verb::starttls, anywhere,                         Needs::nothing, Batch::sync,  &Server::on_starttls,      "220 and StartTls: all is forgotten; 502 where not offered, 503 inside TLS"},
        {Verb::auth,     P::ready | P::doomed,             Needs::tls,     Batch::last,  &Server::on_auth,          "Auth; challenges and verdict of the owner; 502 where not offered"},
        {Verb::bdat,     anywhere,                         Needs::nothing, Batch::inner, &Server::on_hang_up,       "502 and close: the octets behind it are not commands"},
        {Verb::proxy,    anywhere,                         Needs::nothing, Batch::inner, &Server::on_hang_up,       "500 and close: nobody is believed who says who they are"},
        {Verb::http,     anywhere,                         Needs::nothing, Batch::inner, &Server::on_hang_up,       "554 and close: not a mail client"},
        {Verb::unknown,  anywhere,                         Needs::tls,     Batch::inner, &Server::on_answered_here, "500"},
    }};
    // clang-format on
    static constexpr const Row& row(Verb verb) noexcept {
        return rows[static_cast<std::size_t>(verb)];
    }
};

// Complete, and in the order of the enumeration: row() is an index.
static_assert([] {
    for (std::size_t i = 0; i < ServerTable::rows.size(); ++i) {
        if (static_cast<std::size_t>(ServerTable::rows[i].verb) != i) return false;
    }
    return true;
}());

}  // namespace waxseal::smtp
