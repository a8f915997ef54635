// The users as a whole: each has one password, and a listener where it is asked for.
#include "config/check.hpp"

namespace waxseal::config {
namespace {

constexpr std::string_view section = "[[user]]";

class Check : public SectionCheck<User> {
  public:
    Check(Draft<User>& draft, const Directories& directories, Problems& problems)
        : SectionCheck(section, draft, problems), directories_(directories) {}

    void run(const std::vector<std::string_view>& upstreams) {
        if (!draft_.has("name")) fail("name", "is missing; write name = \"printer-2nd-floor\"");
        if (given("password_file") && given("password_hash")) {
            fail("password_hash", "there is a password_file too; remove one of the two");
        } else if (!given("password_file") && !given("password_hash")) {
            fail("password_file",
                 "is missing; write password_file = \"/run/secrets/printer-password\", or "
                 "password_hash and what `waxseal hash-password` prints");
        }
        file("password_file", value_.password_file, password, directories_);
        if (const Entry* upstream = draft_.find("upstream")) {
            check_names(*upstream, label(upstream->value.place, section, "upstream"),
                        "[[upstream]]", upstreams, problems_);
        }
    }

    void unused() {
        warn("name", "nobody can log in as " + quote(value_.name) +
                         ", as no listener has auth = \"local\"; write that under [[listen]], or "
                         "remove the user");
    }

  private:
    const Directories& directories_;
};

}  // namespace

void check_users(Drafts& drafts, const Directories& directories, Problems& problems) {
    const auto local = std::ranges::find(drafts.listen, ListenAuth::local,
                                         [](const auto& draft) { return draft.value.auth; });
    const std::vector<std::string_view> upstreams = names_of(drafts.upstream);
    for (Draft<User>& draft : drafts.user) {
        Check check(draft, directories, problems);
        check.run(upstreams);
        if (local == drafts.listen.end() && draft.has("name")) check.unused();
    }
    check_unique(drafts.user, section, problems);
    if (local != drafts.listen.end() && drafts.user.empty()) {
        const Place& place = local->at("auth");
        problems.error(place, label(place, "[[listen]]", "auth") +
                                  "\"local\" needs somebody who can log in; write [[user]] with "
                                  "name and password_file");
    }
}

}  // namespace waxseal::config
