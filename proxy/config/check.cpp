// The checks that are the same whatever section they are made for.
#include "config/check.hpp"

#include "config/files.hpp"

namespace waxseal::config {

void check_file(const Place& place, const std::string& label, FileRole role, std::string& path,
                const Directories& directories, Problems& problems) {
    if (path.empty()) return;
    const std::string& directory = place.line > 0 ? directories.file : directories.working;
    const bool relative = !path.starts_with('/');
    const bool home = path.starts_with('~');
    path = resolve(directory, path);
    const FileState state = check_file(path);
    if (state.error) {
        // The path itself stays out: where a file name is wanted people write the password.
        std::string text = "the file cannot be read: " + *state.error;
        if (home) {
            text += "; ~ is not expanded, write the whole path";
        } else if (relative) {
            text += "; it is looked for in " + directory;
        }
        return problems.error(place, label + text);
    }
    if (state.empty) {
        return problems.error(
            place, label + "the file is empty; write " + std::string(role.content) + " into it");
    }
    if (role.secret && state.others_can_read)
        problems.warn(place, label + "other users of this host can read the file; chmod 600 it");
}

void check_names(const Entry& entry, const std::string& label, std::string_view section,
                 const std::vector<std::string_view>& known, Problems& problems) {
    std::set<std::string_view> seen;
    const std::vector<Value> one{entry.value};
    for (const Value& item : entry.value.kind == Value::Kind::list ? entry.value.items : one) {
        if (item.kind != Value::Kind::string || item.text.empty()) continue;
        std::string text;
        if (std::ranges::find(known, item.text) == known.end()) {
            text = "there is no " + std::string(section) + " named " + quote(item.text) +
                   did_you_mean(item.text, known);
            if (!text.ends_with('?')) text += "; write the name of one";
        } else if (!seen.insert(item.text).second) {
            text = quote(item.text) + " is there twice; remove one";
        }
        if (!text.empty()) problems.error(item.place, label + text);
    }
}

}  // namespace waxseal::config
