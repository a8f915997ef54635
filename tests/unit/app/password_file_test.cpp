// Password files as editors, shells and secret stores leave them, and pipes with every kind of
// writer.
#include "app/password_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

using namespace waxseal;
using app::read_password;

namespace {

class Directory {
  public:
    Directory() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string file(std::string_view content) const {
        std::string name = path_ + "/password";
        std::ofstream(name, std::ios::binary | std::ios::trunc) << content;
        return name;
    }
    [[nodiscard]] std::string fifo() const {
        std::string name = path_ + "/fifo";
        REQUIRE(::mkfifo(name.c_str(), 0600) == 0);
        return name;
    }

  private:
    std::string path_ = (std::filesystem::temp_directory_path() / "waxseal-XXXXXX").string();
};

// The password, or "error: " and what is said after the name of the file.
std::string outcome(const std::string& file) {
    const auto password = read_password(file);
    if (password) return std::string(password->reveal());
    REQUIRE(password.error().text.starts_with(file + ": "));
    return "error: " + password.error().text.substr(file.size() + 2);
}

// A thread that opens the FIFO only after it has been opened for reading, writes and closes. Gives
// up when told.
class LateWriter {
  public:
    LateWriter(const std::string& fifo, const std::string& content)
        : thread_([this, fifo, content] {
              while (!given_up_) {
                  const int descriptor = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
                  if (descriptor < 0) {
                      std::this_thread::yield();
                      continue;
                  }
                  (void)::fcntl(descriptor, F_SETFL, 0);
                  for (const char c : content) {  // in as many pieces as there are octets
                      if (::write(descriptor, &c, 1) != 1) break;
                  }
                  ::close(descriptor);
                  return;
              }
          }) {}
    LateWriter(const LateWriter&) = delete;
    LateWriter& operator=(const LateWriter&) = delete;
    ~LateWriter() {
        given_up_ = true;
        thread_.join();
    }

  private:
    std::atomic<bool> given_up_ = false;
    std::thread thread_;
};

}  // namespace

TEST_CASE("one line end at the end is not the password's") {
    const Directory directory;
    CHECK(outcome(directory.file("secret")) == "secret");
    CHECK(outcome(directory.file("secret\n")) == "secret");
    CHECK(outcome(directory.file("secret\r\n")) == "secret");
    CHECK(outcome(directory.file("secret\n\n")) == "secret\n");
    CHECK(outcome(directory.file("secret \n")) == "secret ");
    CHECK(outcome(directory.file("two\nlines\n")) == "two\nlines");
}

TEST_CASE("what is no password says so, and shows nothing of it") {
    const Directory directory;
    CHECK(outcome(directory.file("")) == "error: the password file is empty");
    CHECK(outcome(directory.file("\n")) == "error: the password file is empty");
    CHECK(outcome(directory.file("\r\n")) == "error: the password file is empty");
    using namespace std::string_view_literals;
    CHECK(outcome(directory.file("sec\0ret\n"sv)) == "error: the password holds a NUL octet");
    CHECK(outcome(directory.path()) == "error: cannot read the password: Is a directory");
    CHECK(outcome(directory.path() + "/missing") ==
          "error: cannot read the password: No such file or directory");
}

TEST_CASE("a file of 64 KiB or more is no password") {
    const Directory directory;
    const std::string most(64 * 1024 - 1, 'x');
    CHECK(outcome(directory.file(most)) == most);
    CHECK(outcome(directory.file(most + "x")) == "error: cannot read the password: File too large");
    CHECK(outcome(directory.file(most + most)) ==
          "error: cannot read the password: File too large");
}

TEST_CASE("a FIFO whose writer comes late is waited for") {
    (void)std::signal(SIGPIPE, SIG_IGN);
    const Directory directory;
    const std::string fifo = directory.fifo();
    SUBCASE("a password") {
        const LateWriter writer(fifo, "secret\n");
        CHECK(outcome(fifo) == "secret");
    }
    SUBCASE("nothing") {
        const LateWriter writer(fifo, "");
        CHECK(outcome(fifo) == "error: the password file is empty");
    }
}

TEST_CASE("a FIFO that nobody writes to is not waited for forever") {
    const Directory directory;
    const std::string fifo = directory.fifo();
    const std::string bounded =
        "error: cannot read the password: nobody has written all of it within a second";
    SUBCASE("no writer") { CHECK(outcome(fifo) == bounded); }
    SUBCASE("a writer that stops in the middle") {
        const int writer = ::open(fifo.c_str(), O_RDWR | O_CLOEXEC);
        REQUIRE(writer >= 0);
        REQUIRE(::write(writer, "sec", 3) == 3);
        CHECK(outcome(fifo) == bounded);
        ::close(writer);
    }
}
