// Reading the configuration file and looking at those it names.
#include "config/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "config/values.hpp"

namespace waxseal::config {
namespace {

// The reference configuration with all its comments is a hundredth of it.
constexpr std::size_t largest_config = 1024UL * 1024;
constexpr std::size_t largest_hosts = 64UL * 1024;

std::string reason(int error) { return std::generic_category().message(error); }

class Descriptor {
  public:
    explicit Descriptor(const std::string& path)
        : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }

  private:
    int fd_;
};

// At most `limit` octets and one more, so that the caller can tell.
std::expected<std::string, std::string> read_up_to(const std::string& path, std::size_t limit) {
    const Descriptor file(path);
    if (file.get() < 0) return std::unexpected(reason(errno));
    std::string text;
    std::array<char, 16384> block{};
    while (text.size() <= limit) {
        const ssize_t got = ::read(file.get(), block.data(), block.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::unexpected(reason(errno));
        if (got == 0) break;
        text.append(block.data(), static_cast<std::size_t>(got));
    }
    return text;
}

// The first name of a line of /etc/hosts that has `name` as another of its names.
std::string full_name(std::string_view name, std::string_view hosts) {
    const auto next_word = [](std::string_view& line) {
        const std::size_t begin = line.find_first_not_of(" \t\r");
        if (begin == std::string_view::npos) return std::string_view();
        line.remove_prefix(begin);
        const std::string_view word = line.substr(0, line.find_first_of(" \t\r"));
        line.remove_prefix(word.size());
        return word;
    };
    while (!hosts.empty()) {
        std::string_view line = hosts.substr(0, hosts.find('\n'));
        hosts.remove_prefix(std::min(hosts.size(), line.size() + 1));
        line = line.substr(0, line.find('#'));
        next_word(line);  // the address
        const std::string_view first = next_word(line);
        if (first.starts_with(std::string(name) + '.')) return std::string(first);
    }
    return std::string(name);
}

bool only_local(std::string_view name) {
    return name == "localhost" || name.starts_with("localhost.") || name.ends_with(".localhost") ||
           name.ends_with(".localdomain") || name == "(none)";
}

}  // namespace

std::expected<std::string, std::string> read_config_file(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0)
        return std::unexpected("cannot be read: " + reason(errno));
    if (S_ISDIR(status.st_mode)) return std::unexpected("is a directory; give the file in it");
    auto text = read_up_to(path, largest_config);
    if (!text) return std::unexpected("cannot be read: " + text.error());
    if (text->size() > largest_config)
        return std::unexpected("is larger than 1 MiB, so it is no configuration");
    return text;
}

bool file_exists(const std::string& path) {
    struct stat status{};
    // What is there but cannot be looked at is an error to report, not an absence.
    return ::stat(path.c_str(), &status) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

FileState check_file(const std::string& path) {
    FileState result;
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
        result.error = reason(errno);
    } else if (S_ISREG(status.st_mode)) {
        const Descriptor file(path);
        if (file.get() < 0) result.error = reason(errno);
        result.empty = status.st_size == 0;
        result.others_can_read = (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
    } else if (!S_ISFIFO(status.st_mode)) {
        result.error = S_ISDIR(status.st_mode) ? "it is a directory" : "it is not a regular file";
    } else if (::access(path.c_str(), R_OK) != 0) {
        result.error = reason(errno);
    }
    return result;
}

std::string resolve(const std::string& directory, const std::string& path) {
    return (std::filesystem::path(directory) / path).lexically_normal().string();
}

std::string working_directory() {
    std::error_code error;
    const auto path = std::filesystem::current_path(error);
    return error ? "/" : path.string();
}

std::string directory_of(const std::string& file) {
    return resolve(working_directory(), std::filesystem::path(file).parent_path().string());
}

std::string choose_hostname(std::string_view kernel, std::string_view hosts) {
    const std::string name = kernel.contains('.') ? std::string(kernel) : full_name(kernel, hosts);
    return valid_hostname(name) && !only_local(name) ? name : "[127.0.0.1]";
}

std::string own_hostname() {
    std::array<char, 256> buffer{};
    if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return "[127.0.0.1]";
    const auto hosts = read_up_to("/etc/hosts", largest_hosts);
    return choose_hostname(buffer.data(), hosts ? *hosts : std::string());
}

}  // namespace waxseal::config
