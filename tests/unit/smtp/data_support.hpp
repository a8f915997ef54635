// What the tests of message data share: a decoder fed in chunks, an encoder fed at once, and every
// short string over an alphabet.
//
// decode() also checks, on the way, what is true at every chunk: all of it is taken until the end
// of data, and nothing is appended once there is a fault.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "smtp/data.hpp"

namespace waxseal::testing {

using namespace waxseal::smtp;

struct Decoded {
    std::string message;
    std::size_t consumed = 0;
    bool ended = false;
    DataFault fault = DataFault::none;
    DataFindings findings;
};

template <typename Chunks>
Decoded decode(const Chunks& chunks, LineEndings mode) {
    DataDecoder decoder(mode);
    Decoded result;
    for (const std::string_view chunk : chunks) {
        const bool faulty = decoder.fault() != DataFault::none;
        const std::size_t before = result.message.size();
        const auto progress = decoder.decode(chunk, result.message);
        if (faulty) CHECK(result.message.size() == before);
        result.consumed += progress.consumed;
        result.ended = progress.ended;
        if (result.ended) break;
        CHECK(progress.consumed == chunk.size());
    }
    result.fault = decoder.fault();
    result.findings = decoder.findings();
    return result;
}

inline Decoded decode_whole(std::string_view bytes, LineEndings mode) {
    return decode(std::vector{bytes}, mode);
}

inline std::string encode(std::string_view message) {
    DataEncoder encoder;
    std::string wire;
    encoder.encode(message, wire);
    encoder.finish(wire);
    return wire;
}

// Calls the function for every string over the alphabet up to the length.
template <typename Function>
void for_each_string(std::string_view alphabet, std::size_t length, Function function) {
    std::vector<std::string> generation{""};
    for (std::size_t n = 0; n <= length; ++n) {
        std::vector<std::string> next;
        for (const std::string& word : generation) {
            function(word);
            for (const char c : alphabet) next.push_back(word + c);
        }
        generation = std::move(next);
    }
}

}  // namespace waxseal::testing
