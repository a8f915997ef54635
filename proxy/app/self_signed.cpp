#include "app/self_signed.hpp"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "net/address.hpp"

namespace waxseal::app {

namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const noexcept { return fd_; }

  private:
    int fd_;
};

bool exists(const std::string& file) {
    struct stat facts{};
    return ::stat(file.c_str(), &facts) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool write_all(int fd, std::string_view content) {
    while (!content.empty()) {
        const ssize_t n = ::write(fd, content.data(), content.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        content.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

// 0 or an errno. After a crash there is the old file, or none, or the whole new one.
int replace(const std::string& file, std::string_view content, mode_t mode) {
    std::string beside = file + ".XXXXXX";
    const Descriptor fd(::mkostemp(beside.data(), O_CLOEXEC));
    if (fd.get() < 0) return errno;
    const bool done = ::fchmod(fd.get(), mode) == 0 && write_all(fd.get(), content) &&
                      ::fsync(fd.get()) == 0 && ::rename(beside.c_str(), file.c_str()) == 0;
    const int error = done ? 0 : errno;
    if (!done) ::unlink(beside.c_str());
    return error;
}

Error cannot_keep(const std::string& state_dir, const std::string& why) {
    return {"[server] state_dir: cannot keep a self-signed certificate in " + state_dir + ": " +
            why +
            "; name a directory that waxseal's user can write, or give the listener a "
            "certificate_file and key_file"};
}

Error cannot_keep(const std::string& state_dir, int error) {
    return cannot_keep(state_dir, std::strerror(error));
}

// Whether it could be made, by the user that asks.
std::expected<SelfSigned, Error> foresee(const std::string& state_dir, SelfSigned result) {
    const std::string place =
        exists(state_dir) ? state_dir : state_dir.substr(0, state_dir.rfind('/') + 1);
    if (::access(place.c_str(), W_OK | X_OK) != 0)
        return std::unexpected(cannot_keep(state_dir, errno));
    return result;
}

std::expected<SelfSigned, Error> make(const std::string& state_dir,
                                      const tls::SelfSignedRequest& names, SelfSigned result) {
    auto issued = tls::issue_self_signed(names);
    if (!issued) return std::unexpected(cannot_keep(state_dir, issued.error().text));
    if (const int error = replace(result.files.key_file, issued->key_pem.reveal(), 0600);
        error != 0)
        return std::unexpected(cannot_keep(state_dir, error));
    if (const int error = replace(result.files.certificate_file, issued->certificate_pem, 0644);
        error != 0)
        return std::unexpected(cannot_keep(state_dir, error));
    result.state = Kept::made;
    return result;
}

bool complete(const SelfSigned& one) {
    return exists(one.files.certificate_file) && exists(one.files.key_file);
}

void add(std::vector<std::string>& list, std::string text) {
    if (std::ranges::find(list, text) == list.end()) list.push_back(std::move(text));
}

}  // namespace

std::expected<SelfSigned, Error> self_signed(const std::string& state_dir,
                                             const tls::SelfSignedRequest& names, Missing missing) {
    SelfSigned result{{state_dir + "/self-signed.crt", state_dir + "/self-signed.key"},
                      Kept::found};
    if (complete(result)) return result;
    result.state = Kept::absent;
    if (missing == Missing::leave) return foresee(state_dir, std::move(result));
    if (::mkdir(state_dir.c_str(), 0700) != 0 && errno != EEXIST)
        return std::unexpected(cannot_keep(state_dir, errno));
    const Descriptor directory(::open(state_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0 || ::flock(directory.get(), LOCK_EX) != 0)
        return std::unexpected(cannot_keep(state_dir, errno));
    if (complete(result)) {  // another process was quicker
        result.state = Kept::found;
        return result;
    }
    auto made = make(state_dir, names, std::move(result));
    if (made && ::fsync(directory.get()) != 0)
        return std::unexpected(cannot_keep(state_dir, errno));
    return made;
}

bool wants_self_signed(const config::Listen& listen) noexcept {
    return listen.tls != config::ListenTls::none && listen.certificates.empty();
}

tls::SelfSignedRequest names_for(const config::Config& config,
                                 const std::vector<std::string>& interfaces) {
    tls::SelfSignedRequest names;
    if (!config.hostname.starts_with('[')) add(names.dns_names, text::to_lower(config.hostname));
    add(names.dns_names, "localhost");
    for (const config::Listen& listen : config.listen) {
        if (!wants_self_signed(listen) || std::holds_alternative<config::UnixPath>(listen.address))
            continue;
        const auto* endpoint = std::get_if<config::Endpoint>(&listen.address);
        if (endpoint != nullptr && endpoint->host != "::" && endpoint->host != "0.0.0.0") {
            const auto address = net::Address::parse(endpoint->host, 0);
            if (address) add(names.ip_addresses, waxseal::to_string(address->ip));
            continue;
        }
        for (const std::string& one : interfaces) add(names.ip_addresses, one);
    }
    return names;
}

std::vector<std::string> interface_addresses() {
    std::vector<std::string> addresses;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return addresses;
    for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
        if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_UP) == 0) continue;
        const auto address = net::Address::from(one->ifa_addr);
        if (!address || address->scope != 0) continue;  // link-local
        add(addresses, waxseal::to_string(address->ip));
    }
    ::freeifaddrs(list);
    return addresses;
}

}  // namespace waxseal::app
