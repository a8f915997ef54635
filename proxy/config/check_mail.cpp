// What is done to the messages: the repairs of one listener, and the sender rules of all sections.
#include "config/check.hpp"
#include "config/mail_readers.hpp"

namespace waxseal::config {
namespace {

class Repairs : public SectionCheck<Listen> {
  public:
    Repairs(Draft<Listen>& draft, Problems& problems)
        : SectionCheck("[[listen]]", draft, problems) {}

    void run() {
        if (value_.kind == ListenKind::strict) strict();
        if (written("received_address", "hide") && !value_.received) {
            warn("received_address",
                 "has no effect, as no Received line is added; write received = true beside it, or "
                 "remove it");
        }
    }

  private:
    void strict() {
        if (!draft_.has("line_endings")) value_.line_endings = LineEndings::reject;
        if (written("long_lines", "fold")) {
            fail("long_lines",
                 "\"fold\" repairs a message, and kind = \"strict\" is for mail that needs no "
                 "repair; write \"reject\" or \"pass\", or kind = \"device\"");
        }
        if (draft_.has("legacy_charset")) {
            warn("legacy_charset",
                 "has no effect with kind = \"strict\", which repairs no header; remove it, or "
                 "write kind = \"device\"");
        }
    }
};

class Rules {
  public:
    Rules(const Draft<Server>& server, Problems& problems) : server_(server), problems_(problems) {}

    template <typename Target>
    void look_at(const std::vector<Draft<Target>>& drafts, std::string_view section) {
        for (const Draft<Target>& draft : drafts) {
            const Entry* rule = draft.find("sender");
            if (rule == nullptr) continue;
            const Entry* when = part_of(*rule, "when");
            if (when != nullptr && when->value.text == "foreign")
                foreign(when->value.place, section);
        }
    }

    void unused() const {
        if (used_ || !domains()) return;
        const Place& place = server_.at("own_domains");
        problems_.warn(place, label(place, "[server]", "own_domains") +
                                  "has no effect, as no sender rule has when = \"foreign\"; write "
                                  "that in one, or remove it");
    }

  private:
    // Some were written, be they wrong.
    [[nodiscard]] bool domains() const {
        const Entry* entry = server_.find("own_domains");
        return entry != nullptr &&
               (entry->value.kind != Value::Kind::list || !entry->value.items.empty());
    }

    void foreign(const Place& place, std::string_view section) {
        used_ = true;
        if (domains()) return;
        problems_.error(place, label(place, std::string(section) + " sender", "when") +
                                   "\"foreign\" is every sender who is not of your own domains, "
                                   "and they are not known; write own_domains = [\"example.com\"] "
                                   "under [server], or when = \"always\"");
    }

    const Draft<Server>& server_;
    Problems& problems_;
    bool used_ = false;
};

}  // namespace

void check_repairs(Draft<Listen>& draft, Problems& problems) { Repairs(draft, problems).run(); }

void check_sender_rules(Drafts& drafts, Problems& problems) {
    Rules rules(drafts.server, problems);
    rules.look_at(drafts.listen, "[[listen]]");
    rules.look_at(drafts.user, "[[user]]");
    rules.look_at(drafts.upstream, "[[upstream]]");
    rules.unused();
}

}  // namespace waxseal::config
