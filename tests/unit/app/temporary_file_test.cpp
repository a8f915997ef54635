// Real files: without a name, of nobody else, and honest about a disk that is full.
#include "app/temporary_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "directory.hpp"

namespace waxseal::app {

using waxseal::testing::TemporaryDirectory;

namespace {

std::string text_of(SpillFile& file, std::uint64_t offset, std::size_t size) {
    std::string text(size, '?');
    const auto got = file.read(offset, text);
    REQUIRE(got.has_value());
    text.resize(*got);
    return text;
}

// The one descriptor that is open on a file below the directory.
std::optional<int> descriptor_below(const std::string& directory) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code ignored;
        const auto target = std::filesystem::read_symlink(entry.path(), ignored).string();
        if (target.starts_with(directory + "/")) return std::stoi(entry.path().filename());
    }
    return std::nullopt;
}

void check_private(int descriptor) {
    struct stat about{};
    REQUIRE(::fstat(descriptor, &about) == 0);
    CHECK((about.st_mode & 07777U) == 0600U);
    CHECK(about.st_nlink == 0);
    CHECK((::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
}

// A variable of the environment, for as long as this lives.
class Environment {
  public:
    Environment(const char* name, const char* value) : name_(name) {
        if (const char* const old = std::getenv(name)) before_ = old;
        value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
    }
    ~Environment() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

  private:
    const char* name_;
    std::optional<std::string> before_;
};

// No file of this process may be larger, for as long as this lives.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t octets) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
        const rlimit limit{octets, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        (void)std::signal(SIGXFSZ, signal_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    rlimit before_{};
    void (*signal_)(int);
};

}  // namespace

TEST_CASE("what was written can be read, from anywhere and again") {
    const TemporaryDirectory directory;
    const auto file = TemporaryFile::make(directory.path());
    REQUIRE(file.has_value());
    CHECK(text_of(**file, 0, 10).empty());
    REQUIRE((*file)->append("Subject: ").has_value());
    REQUIRE((*file)->append(std::string("a\0b\r\n", 5)).has_value());
    CHECK(text_of(**file, 0, 100) == std::string("Subject: a\0b\r\n", 14));
    CHECK(text_of(**file, 9, 3) == std::string("a\0b", 3));
    CHECK(text_of(**file, 14, 3).empty());
    CHECK(text_of(**file, 100, 3).empty());
    const std::string large(3'000'000, 'x');
    REQUIRE((*file)->append(large).has_value());
    CHECK(text_of(**file, 14, large.size() + 1) == large);
    CHECK(text_of(**file, 0, 9) == "Subject: ");
}

TEST_CASE("a file has no name, is the owner's alone, and goes when it is closed") {
    const TemporaryDirectory directory;
    {
        const auto file = TemporaryFile::make(directory.path());
        REQUIRE(file.has_value());
        CHECK(std::filesystem::is_empty(directory.path()));
        const auto descriptor = descriptor_below(directory.path());
        REQUIRE(descriptor.has_value());
        check_private(*descriptor);
    }
    CHECK_FALSE(descriptor_below(directory.path()).has_value());
}

TEST_CASE("so it is where a file cannot be made without a name") {
    const TemporaryDirectory directory;
    const int file = open_and_unlink(directory.path());
    REQUIRE(file >= 0);
    CHECK(std::filesystem::is_empty(directory.path()));
    check_private(file);
    CHECK(::write(file, "x", 1) == 1);
    std::array<char, 2> read{};
    CHECK(::pread(file, read.data(), read.size(), 0) == 1);
    ::close(file);
    CHECK(open_and_unlink(directory.path() + "/missing") == -ENOENT);
}

TEST_CASE("two files are two") {
    const TemporaryDirectory directory;
    const auto one = TemporaryFile::make(directory.path());
    const auto other = TemporaryFile::make(directory.path());
    REQUIRE((*one)->append("one").has_value());
    REQUIRE((*other)->append("other").has_value());
    CHECK(text_of(**one, 0, 10) == "one");
    CHECK(text_of(**other, 0, 10) == "other");
}

TEST_CASE("a directory that is not there is named, with the reason") {
    const auto file = TemporaryFile::make("/does/not/exist");
    REQUIRE_FALSE(file.has_value());
    CHECK(file.error().text ==
          "cannot make a temporary file in /does/not/exist: No such file or directory");
}

TEST_CASE("$TMPDIR says where, else it is /tmp; read when the factory is made") {
    const TemporaryDirectory directory;
    const auto made_below = [](const SpillFactory& factory, const std::string& where) {
        const auto file = factory();
        REQUIRE(file.has_value());
        return descriptor_below(where).has_value();
    };
    SpillFactory factory;
    {
        const Environment variable("TMPDIR", directory.path().c_str());
        factory = temporary_files();
    }
    CHECK(made_below(factory, directory.path()));
    for (const char* const value : {static_cast<const char*>(nullptr), ""}) {
        const Environment variable("TMPDIR", value);
        CHECK(made_below(temporary_files(), "/tmp"));
    }
    const Environment variable("TMPDIR", "/does/not/exist");
    CHECK_FALSE(temporary_files()().has_value());
}

TEST_CASE("a file that cannot grow is an error with the directory, and without what was written") {
    const TemporaryDirectory directory;
    const FileSizeLimit limit(10'000);
    const auto file = TemporaryFile::make(directory.path());
    REQUIRE(file.has_value());
    REQUIRE((*file)->append(std::string(9'000, 'x')).has_value());
    // Some of it fits: that is not success.
    const auto done = (*file)->append("confidential" + std::string(9'000, 'x'));
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().text ==
          "cannot write to a temporary file in " + directory.path() + ": File too large");
}

}  // namespace waxseal::app
