// The keys of [[user]] and [[route]].
#include "config/mail_readers.hpp"
#include "config/sections.hpp"

namespace waxseal::config {
namespace {

constexpr std::size_t longest_name = 255;

void read_user_name(const Given& given, User& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    if (text->empty() || text->size() > longest_name)
        return given.fail("must have 1 to 255 octets; write name = " + std::string(given.example));
    target.name = *text;
}

// Never said back: whoever can read the log could try passwords against it.
void read_password_hash(const Given& given, User& target) {
    const std::string* text = string_of(given);
    if (text == nullptr) return;
    if (!text->starts_with('$')) {
        return given.fail(
            "is not a password hash, which begins with \"$\"; write what `waxseal hash-password` "
            "prints, or the password into a file of its own and password_file");
    }
    target.password_hash = *text;
    target.password_hash_place = to_string(given.entry.value.place);
}

// The addresses come later: paths in them are not whole yet.
constexpr TextList listen_addresses{"a list of addresses",
                                    "is empty, so it never matches; remove it for any listener"};
constexpr TextList user_names{"a list of names",
                              "is empty, so it never matches; remove it for any user"};
constexpr TextList route_upstreams{
    "a list of names", "names no upstream; write the name of one, as upstream = [\"default\"]"};

constexpr std::array user_rows{
    Key<User>{"name", "text", R"("printer-2nd-floor")", "required", "The name to log in with.",
              read_user_name},
    Key<User>{"password_file", "path", R"("/run/secrets/printer-password")",
              "required, or password_hash",
              "File with the password; one newline at the end is ignored.",
              read_text<&User::password_file>},
    Key<User>{"password_hash", "text", R"("$scram-sha-256$100000$...")",
              "required, or password_file", "What `waxseal hash-password` prints for the password.",
              read_password_hash},
    Key<User>{"allow", "list of networks", R"(["192.168.1.0/24"])", "from anywhere",
              "From where this user may log in.", read_networks<&User::allow, false>},
    Key<User>{"senders", "list of senders", R"(["scanner@example.com", "*@example.com"])", "any",
              "The reverse-paths this user may write in MAIL.", read_senders<&User::senders>},
    Key<User>{"recipients", "list of recipients", R"(["office@example.com", "*@example.com"])",
              "anybody", "The recipients this user may write to.",
              read_recipients<&User::recipients>},
    Key<User>{"sender", sender_rule_type, sender_rule_example, "that of the listener",
              "Puts another sender in place of this user's.", read_sender_rule<&User::sender>},
    Key<User>{"upstream", "name", R"("default")", "those of the listener",
              "Where the mail of this user goes.", read_text<&User::upstream>},
};

constexpr std::array route_rows{
    Key<Route>{"listen", "list of addresses", R"(["127.0.0.1:2525"])", "any listener",
               "The listeners it is for, by their addresses.",
               read_texts<&Route::listen, listen_addresses>},
    Key<Route>{"user", "list of names", R"(["printer-2nd-floor"])", "any, or none",
               "The users it is for: as whom a device has logged in.",
               read_texts<&Route::user, user_names>},
    Key<Route>{"sender", "list of senders", R"(["*@example.com", "<>"])", "any",
               "The reverse-paths it is for, whole or by domain; \"<>\" is the null one.",
               read_senders<&Route::sender>},
    Key<Route>{"upstream", "list of names", R"(["default"])", "required",
               "The upstreams for what matches, tried in this order.",
               read_texts<&Route::upstream, route_upstreams>},
};

}  // namespace

constinit const std::span<const Key<User>> user_keys = user_rows;
constinit const std::span<const Key<Route>> route_keys = route_rows;

}  // namespace waxseal::config
