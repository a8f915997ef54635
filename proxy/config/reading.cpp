// From a document to drafts: which section is which, and what to say about one that is not.
#include <algorithm>
#include <array>

#include "config/sections.hpp"

namespace waxseal::config {
namespace {

constexpr std::array<std::string_view, 4> repeated_sections{"listen", "upstream", "user", "route"};

std::string heading(std::string_view name) {
    const bool repeated = std::ranges::find(repeated_sections, name) != repeated_sections.end();
    return repeated ? "[[" + std::string(name) + "]]" : '[' + std::string(name) + ']';
}

class Reader {
  public:
    explicit Reader(Problems& problems) : problems_(problems) {}

    Drafts read(const Document& document) {
        for (const Section& section : document) this->section(section);
        return std::move(drafts_);
    }

  private:
    void section(const Section& section) {
        if (section.name == "listen") return repeated(section, listen_keys, drafts_.listen);
        if (section.name == "upstream") return repeated(section, upstream_keys, drafts_.upstream);
        if (section.name == "user") return repeated(section, user_keys, drafts_.user);
        if (section.name == "route") return repeated(section, route_keys, drafts_.route);
        if (section.name == "server") return single(section, server_keys, drafts_.server);
        if (section.name == "limits") return single(section, limits_keys, drafts_.limits);
        if (section.name == "timeouts") return single(section, timeouts_keys, drafts_.timeouts);
        if (section.name == "log") return single(section, log_keys, drafts_.log);
        if (section.name == "admin") return single(section, admin_keys, drafts_.admin);
        unknown(section);
    }

    template <typename Target>
    void repeated(const Section& section, std::span<const Key<Target>> keys,
                  std::vector<Draft<Target>>& into) {
        if (section.kind != Section::Kind::repeated) return misshapen(section);
        for (const Table& table : section.tables) {
            read_table(table, heading(section.name), keys, into.emplace_back(), problems_);
        }
    }

    template <typename Target>
    void single(const Section& section, std::span<const Key<Target>> keys, Draft<Target>& into) {
        if (section.kind != Section::Kind::single) return misshapen(section);
        read_table(section.tables.front(), heading(section.name), keys, into, problems_);
    }

    void misshapen(const Section& section) {
        const Place& place = section.tables.empty() ? section.place : section.tables.front().place;
        const bool once = !heading(section.name).starts_with("[[");
        problems_.error(place, section.name + " is " +
                                   (once ? "a section that exists once" : "a list of sections") +
                                   "; write " + heading(section.name) +
                                   " on a line of its own and the keys under it");
    }

    void unknown(const Section& section) {
        const Place& place = section.tables.empty() ? section.place : section.tables.front().place;
        if (section.kind == Section::Kind::stray) return stray(section);
        const std::vector<std::string_view> names{"server", "listen", "upstream", "user",
                                                  "route",  "limits", "timeouts", "log"};
        const std::string near = did_you_mean(section.name, names);
        problems_.error(
            place, "[" + quoted_if_long(section.name) + "]: unknown section" +
                       (near.empty() ? "; known are [server], [[listen]], [[upstream]], [[user]], "
                                       "[[route]], [limits], [timeouts] and [log]"
                                     : near));
    }

    // A key before the first section.
    void stray(const Section& section) {
        const auto row = std::ranges::find_if(
            reference(), [&](const Reference& candidate) { return candidate.key == section.name; });
        std::string text = quoted_if_long(section.name) + ": ";
        if (row != reference().end()) {
            text +=
                "stands before the first section; it belongs under " + std::string(row->section);
        } else {
            std::vector<std::string_view> known;
            for (const Reference& candidate : reference()) known.push_back(candidate.key);
            text += unknown_key(section.name, {}, known);
        }
        problems_.error(section.place, std::move(text));
    }

    static std::string quoted_if_long(const std::string& name) {
        return name.size() > 64 ? quote(name) : name;
    }

    Problems& problems_;
    Drafts drafts_;
};

}  // namespace

Drafts read_document(const Document& document, Problems& problems) {
    return Reader(problems).read(document);
}

}  // namespace waxseal::config
