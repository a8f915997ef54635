// The few things the configuration asks of the file system. Errors are the system's own words.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace waxseal::config {

// The text of a configuration file; the error says what to do.
[[nodiscard]] std::expected<std::string, std::string> read_config_file(const std::string& path);
[[nodiscard]] bool file_exists(const std::string& path);

struct FileState {
    std::optional<std::string> error;  // why it cannot be read
    bool empty = false;
    bool others_can_read = false;  // group or world
};
// Opens only what is a regular file: opening anything else may have effects.
[[nodiscard]] FileState check_file(const std::string& path);

// `path` made absolute from `directory`.
[[nodiscard]] std::string resolve(const std::string& directory, const std::string& path);
[[nodiscard]] std::string directory_of(const std::string& file);
[[nodiscard]] std::string working_directory();

// This host's own name as a mail server may be told it: the kernel's, completed from /etc/hosts,
// and [127.0.0.1] when that is no name for others to see (RFC 5321 4.1.4 wants a literal then).
[[nodiscard]] std::string own_hostname();
// The decision in it, without the system: `hosts` is the text of /etc/hosts.
[[nodiscard]] std::string choose_hostname(std::string_view kernel, std::string_view hosts);

}  // namespace waxseal::config
