// Dialog scripts: what a device says and hears, and what its upstream gets and answers.
//
//   # comment
//   set KEY VALUE        before the dialog: kind device|strict (without it: commands as for a
//                        device, and messages are left alone), line_endings repair|reject,
//                        max_message_size, max_recipients, max_errors, tls implicit|starttls|none,
//                        long_lines fold|reject, lost_reply_memory SECONDS,
//                        sender ADDRESS, keep|rewrite (and our own domains, when for others),
//                        offer A, B, C (or: offer none), unknown_offer yes (EHLO not asked for
//                        yet), auth any, user NAME PASSWORD (and so auth local; as many as wanted;
//                        the nonce of every challenge is "nonce"), legacy_auth yes, starttls
//                        offered|required, handshake fails
//   c -> text            the device sends the text and CRLF
//   c => text            the device sends the text
//   c *> N text          the device sends the text and CRLF, N times, in one write
//   c <- text            the next line that the device gets, exactly
//   c <~ regex           the next reply, of however many lines; its first line matches from its
//                        start
//   c tls                after the 220 to STARTTLS the device does its part of the handshake
//   c writes N           in so many writes has the device got what it has heard
//   c gone               the device is no more: what it is sent does not arrive
//   c connect            and comes again, on another connection, in which the dialog goes on
//   c close              the device ends its side
//   c <- close           the session has been closed, everything was read
//   c silent             nothing more has come
//   u -> step: text      how the upstream will answer that step (greeting ehlo starttls auth mail
//                        rcpt data body message rset quit), once; (close), (cut), (reset), (stall)
//                        at the end of the text, or alone; (nothing) for no answer at all. Of a
//                        body in chunks, `body` is each BDAT but the last
//   u => text            the upstream says this now
//   u close              the upstream closes its last connection now
//   u <- text            the next command the upstream got; the login is skipped unless asked for
//   u silent             it has got no other command
//   u connections N      so many connections were made to it
//   log EVENT            such an event has been logged
//   log EVENT key~regex  and a field of it, or of a record in it, has the regex in it
//   wait SECONDS         time passes
//   upstream got:        last: all octets after the login, byte for byte; each following line with
//                        CRLF, or without if it ends in \& ; \*N before a line: N times this line;
//                        "-- next --" between two connections. SESSION is the id of the session
//
// Escapes: \r \n \t \0 \xHH \\. Replies have to be read before the device speaks again. Once a
// dialog looks at what the upstream got, it must look at every command (but QUIT).
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace waxseal::dialogs {

struct ScriptLine {
    std::size_t number;
    std::string verb;  // "c ->", "u <-", "set", …
    std::string text;  // escapes resolved, but in "c <~" and "log"
};

struct Script {
    std::string file;
    std::vector<ScriptLine> settings;
    std::vector<ScriptLine> lines;
    std::optional<std::string> upstream_got;
    std::size_t upstream_got_line = 0;
};

// What is wrong, with its place: "FILE:LINE: …".
class Wrong : public std::runtime_error {
  public:
    Wrong(const std::string& file, std::size_t line, const std::string& what)
        : runtime_error(file + ":" + std::to_string(line) + ": " + what) {}
};

[[nodiscard]] Script read_script(const std::string& file);
// Octets as a script would write them.
[[nodiscard]] std::string escape(std::string_view octets);

}  // namespace waxseal::dialogs
