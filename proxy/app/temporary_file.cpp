#include "app/temporary_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace waxseal::app {

namespace {

// As open_and_unlink().
int open_unnamed(const std::string& directory) {
#ifdef O_TMPFILE
    // O_EXCL: it can never be given a name.
    const int file =
        ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file >= 0) return file;
    // The file system knows no such thing, or the kernel does not.
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return -errno;
#endif
    return open_and_unlink(directory);
}

std::unexpected<Error> failed(const char* what, const std::string& directory, int error) {
    return std::unexpected(
        Error{std::string(what) + " in " + directory + ": " + std::strerror(error)});
}

}  // namespace

int open_and_unlink(const std::string& directory) {
    std::string path = directory + "/waxseal-XXXXXX";
    const int file = ::mkostemp(path.data(), O_CLOEXEC);  // mode 0600
    if (file < 0) return -errno;
    if (::unlink(path.c_str()) == 0) return file;
    const int error = errno;
    ::close(file);
    return -error;
}

std::expected<std::unique_ptr<SpillFile>, Error> TemporaryFile::make(const std::string& directory) {
    const int file = open_unnamed(directory);
    if (file < 0) return failed("cannot make a temporary file", directory, -file);
    return std::unique_ptr<SpillFile>(new TemporaryFile(file, directory));
}

TemporaryFile::~TemporaryFile() { ::close(file_); }

std::expected<void, Error> TemporaryFile::append(std::string_view octets) {
    while (!octets.empty()) {
        const ssize_t n = ::pwrite(file_, octets.data(), octets.size(), static_cast<off_t>(size_));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed("cannot write to a temporary file", directory_, errno);
        // Less than asked for is what fits; the next call says why.
        octets.remove_prefix(static_cast<std::size_t>(n));
        size_ += static_cast<std::uint64_t>(n);
    }
    return {};
}

std::expected<std::size_t, Error> TemporaryFile::read(std::uint64_t offset, std::span<char> into) {
    std::size_t total = 0;
    while (total < into.size()) {
        const ssize_t n = ::pread(file_, into.data() + total, into.size() - total,
                                  static_cast<off_t>(offset + total));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed("cannot read a temporary file", directory_, errno);
        if (n == 0) break;
        total += static_cast<std::size_t>(n);
    }
    return total;
}

SpillFactory temporary_files() {
    const char* const wanted = std::getenv("TMPDIR");
    const std::string directory = wanted != nullptr && *wanted != '\0' ? wanted : "/tmp";
    return [directory] { return TemporaryFile::make(directory); };
}

}  // namespace waxseal::app
