// The protocol of the client machine, as a table: one row a step, a step being a command whose
// reply is waited for.
//
// RFC 5321 4.3.2 (replies to each command), 4.5.3.2 (timeouts). proxy/DESIGN.md shows this table; a
// test compares.
#pragma once

#include <array>
#include <string_view>

#include "smtp/client.hpp"

namespace waxseal::smtp {

struct ClientTable {
    struct Row {
        Client::Step step;
        std::string_view phrase;  // "timed out waiting for …"
        Timer timer;
        Client::Handled (Client::*handler)(Reply&);
        std::string_view meaning;  // of the replies, for people
    };
    using S = Client::Step;
    // clang-format off
    static constexpr std::array<Row, Client::step_count> rows{{                                             // sizes: table
        {S::greeting, "the greeting",              Timer::upstream_reply, &Client::on_greeting, "220: EHLO; else unavailable"},
        {S::ehlo,     "the reply to EHLO",         Timer::upstream_reply, &Client::on_ehlo,     "250: STARTTLS if required and not yet secured, else XCLIENT if given and offered, else AUTH, else Ready; else unavailable"},
        {S::starttls, "the reply to STARTTLS",     Timer::upstream_reply, &Client::on_starttls, "220 and nothing behind it: StartTls; else tls failure"},
        {S::xclient,  "the reply to XCLIENT",      Timer::upstream_reply, &Client::on_xclient,  "220: EHLO, the session begins anew; else unavailable"},
        {S::auth,     "the reply to AUTH",         Timer::upstream_reply, &Client::on_auth,     "334: next response; 235 once all is said and proved: Ready; else credentials failure"},
        {S::mail,     "the reply to MAIL",         Timer::upstream_reply, &Client::on_mail,     "MailReply"},
        {S::rcpt,     "the reply to RCPT",         Timer::upstream_reply, &Client::on_rcpt,     "RcptReply"},
        {S::data,     "the reply to DATA",         Timer::upstream_reply, &Client::on_data,     "DataReply; 354: body"},
        {S::chunk,    "the reply to BDAT",         Timer::upstream_reply, &Client::on_chunk,    "250: nothing; else MessageReply"},
        {S::message,  "the reply to end-of-data",  Timer::data_reply,     &Client::on_message,  "MessageReply"},
        {S::reset,    "the reply to RSET",         Timer::upstream_reply, &Client::on_reset,    "ResetReply"},
        {S::quit,     "the reply to QUIT",         Timer::upstream_reply, &Client::on_quit,     "Closed"},
    }};
    // clang-format on
    static constexpr const Row& row(Client::Step step) noexcept {
        return rows[static_cast<std::size_t>(step)];
    }
};

static_assert([] {
    for (std::size_t i = 0; i < ClientTable::rows.size(); ++i) {
        if (static_cast<std::size_t>(ClientTable::rows[i].step) != i) return false;
    }
    return true;
}());

}  // namespace waxseal::smtp
