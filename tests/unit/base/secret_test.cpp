// Secrets: they move and leave nothing behind, are copied only by name, and cannot be printed.
#include "base/secret.hpp"

#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

using waxseal::Secret;

namespace {

template <typename T>
concept Printable = requires(std::ostream& stream, const T& value) { stream << value; };

static_assert(Printable<std::string>);
static_assert(!Printable<Secret>);
static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_convertible_v<std::string, Secret>);

// Both above and below what a string keeps inside itself.
const std::string values[] = {"hunter2", "a password that is longer than a small string's buffer"};

}  // namespace

TEST_CASE("secret: holds, clones, wipes") {
    for (const std::string& value : values) {
        Secret secret{value};
        CHECK_FALSE(secret.empty());
        CHECK(secret.reveal() == value);
        const Secret copy = secret.clone();
        secret.wipe();
        CHECK(secret.empty());
        CHECK(copy.reveal() == value);
    }
    CHECK(Secret().empty());
}

TEST_CASE("secret: a move leaves the source empty, and its memory overwritten") {
    for (const std::string& value : values) {
        Secret source{value};
        const char* memory = source.reveal().data();
        const Secret target{std::move(source)};
        CHECK(target.reveal() == value);
        CHECK(source.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
        if (memory == source.reveal().data())
            for (std::size_t i = 0; i < value.size(); ++i) CHECK(memory[i] == '\0');

        Secret assigned{"another"};
        Secret second{value};
        assigned = std::move(second);
        CHECK(assigned.reveal() == value);
        CHECK(second.empty());  // NOLINT(bugprone-use-after-move)
    }
}

TEST_CASE("secret: assigning to itself changes nothing") {
    Secret secret{"hunter2"};
    Secret& same = secret;
    secret = std::move(same);
    CHECK(secret.reveal() == "hunter2");
}

TEST_CASE("secret: adopt wipes the string it takes") {
    for (const std::string& value : values) {
        std::string source = value;
        const char* memory = source.data();
        const Secret secret = Secret::adopt(std::move(source));
        CHECK(secret.reveal() == value);
        CHECK(source.empty());  // NOLINT(bugprone-use-after-move)
        if (memory == source.data())
            for (std::size_t i = 0; i < value.size(); ++i) CHECK(memory[i] == '\0');
    }
}

TEST_CASE("secret: wipe overwrites a string's whole memory") {
    std::string value = values[1];
    value.resize(5);
    const char* memory = value.data();
    waxseal::wipe(value);
    CHECK(value.empty());
    CHECK(memory == value.data());
    for (std::size_t i = 0; i < values[1].size(); ++i) CHECK(memory[i] == '\0');
}
