// The routes as a whole: what they name exists, and each can come into play. And which upstreams
// get the credentials of devices.
#include "config/check.hpp"
#include "config/values.hpp"

namespace waxseal::config {
namespace {

constexpr std::string_view section = "[[route]]";

bool has_auth(const Drafts& drafts, ListenAuth auth) {
    return std::ranges::any_of(drafts.listen,
                               [&](const auto& draft) { return draft.value.auth == auth; });
}

class Check : public SectionCheck<Route> {
  public:
    Check(Draft<Route>& draft, const Directories& directories, Problems& problems)
        : SectionCheck(section, draft, problems), directories_(directories) {}

    void run(const Drafts& drafts) {
        if (!draft_.has("upstream"))
            fail("upstream", "is missing; write the name of one, as upstream = [\"default\"]");
        names("upstream", "[[upstream]]", names_of(drafts.upstream));
        // With passthrough the names are the provider's business.
        if (!has_auth(drafts, ListenAuth::passthrough))
            names("user", "[[user]]", names_of(drafts.user));
        listeners(drafts);
        sender(drafts);
    }

    [[nodiscard]] bool matches_all() const {
        return !draft_.has("listen") && !draft_.has("user") && !draft_.has("sender");
    }

    void never(const Draft<Route>& before) {
        const Place& place = draft_.place;
        problems_.warn(place, std::string(section) + " never matches, as the one in line " +
                                  std::to_string(before.place.line) +
                                  " has no condition and matches everything; move that one to the "
                                  "end");
    }

  private:
    void names(std::string_view key, std::string_view named,
               const std::vector<std::string_view>& known) {
        const Entry* entry = draft_.find(key);
        if (entry == nullptr) return;
        check_names(*entry, label(entry->value.place, section, key), named, known, problems_);
    }

    void listeners(const Drafts& drafts) {
        const Entry* entry = draft_.find("listen");
        if (entry == nullptr) return;
        std::vector<std::string> known;
        for (const auto& listen : drafts.listen) known.push_back(to_string(listen.value.address));
        const std::vector<std::string_view> words(known.begin(), known.end());
        value_.listen.clear();
        for (const Value& item : entry->value.items) {
            if (item.kind != Value::Kind::string) continue;
            const auto address = parse_listener(item.text);
            std::string text =
                address ? to_string(absolute(*address, directories_.file)) : item.text;
            if (std::ranges::find(known, text) != known.end()) {
                value_.listen.push_back(std::move(text));
                continue;
            }
            text = "there is no [[listen]] with address " + quote(item.text) +
                   did_you_mean(item.text, words);
            if (!text.ends_with('?')) text += "; write the address of one";
            problems_.error(item.place, label(item.place, section, "listen") + text);
        }
    }

    // With passthrough the upstream is chosen at the login, when there is no sender yet.
    void sender(const Drafts& drafts) {
        const Entry* entry = draft_.find("sender");
        if (entry == nullptr) return;
        const auto may_match = [this](const Draft<Listen>& listen) {
            return listen.value.auth != ListenAuth::passthrough &&
                   (value_.listen.empty() ||
                    std::ranges::find(value_.listen, to_string(listen.value.address)) !=
                        value_.listen.end());
        };
        if (std::ranges::any_of(drafts.listen, may_match)) return;
        problems_.warn(entry->value.place,
                       label(entry->value.place, section, "sender") +
                           "never matches: with auth = \"passthrough\" the upstream is chosen at "
                           "the login, before there is a sender; choose by listen or user");
    }

    const Directories& directories_;
};

}  // namespace

void check_routes(Drafts& drafts, const Directories& directories, Problems& problems) {
    const Draft<Route>* all = nullptr;
    for (Draft<Route>& draft : drafts.route) {
        Check check(draft, directories, problems);
        check.run(drafts);
        if (all != nullptr) check.never(*all);
        if (all == nullptr && check.matches_all()) all = &draft;
    }
}

std::set<std::string> passed_through(const Drafts& drafts) {
    std::set<std::string> result;
    for (const Draft<Listen>& listen : drafts.listen) {
        if (listen.value.auth != ListenAuth::passthrough) continue;
        result.insert(listen.value.upstream.begin(), listen.value.upstream.end());
        const std::string address = to_string(listen.value.address);
        for (const Draft<Route>& route : drafts.route) {
            const std::vector<std::string>& only = route.value.listen;
            if (only.empty() || std::ranges::find(only, address) != only.end())
                result.insert(route.value.upstream.begin(), route.value.upstream.end());
        }
    }
    return result;
}

}  // namespace waxseal::config
