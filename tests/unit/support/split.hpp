// for_each_split: the same octets, cut up in every way that matters, because an incremental parser
// has to say the same whatever the network did to its input.
//
//   for_each_split(bytes, [&](const Chunks& chunks) { ... feed the chunks, compare ... });
//
// The ways: in one piece; in two, at every place; octet by octet; and, for inputs of at most
// three_way_limit octets, in three pieces at every pair of places. No piece is empty, but an empty
// input is given once as no pieces. Pieces are copies on the heap of exactly their size, so that
// AddressSanitizer sees a parser that reads past one, or keeps a view of one.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace waxseal::testing {

inline constexpr std::size_t three_way_limit = 80;

// One way of cutting. Iterating gives string_views.
class Chunks {
  public:
    void add(std::string_view piece) {
        if (piece.empty()) return;
        auto copy = std::make_unique<char[]>(piece.size());
        piece.copy(copy.get(), piece.size());
        views_.emplace_back(copy.get(), piece.size());
        owners_.push_back(std::move(copy));
    }
    [[nodiscard]] auto begin() const { return views_.begin(); }
    [[nodiscard]] auto end() const { return views_.end(); }
    [[nodiscard]] std::size_t size() const { return views_.size(); }

  private:
    std::vector<std::unique_ptr<char[]>> owners_;
    std::vector<std::string_view> views_;
};

// Cuts at the given places, which ascend.
template <typename Places>
Chunks cut(std::string_view bytes, const Places& places) {
    Chunks chunks;
    std::size_t from = 0;
    for (const std::size_t place : places) {
        chunks.add(bytes.substr(from, place - from));
        from = place;
    }
    chunks.add(bytes.substr(from));
    return chunks;
}

template <typename Function>
void for_each_split(std::string_view bytes, Function function) {
    using Places = std::vector<std::size_t>;
    function(cut(bytes, Places{}));
    Places each;
    for (std::size_t i = 1; i < bytes.size(); ++i) {
        function(cut(bytes, Places{i}));
        each.push_back(i);
    }
    function(cut(bytes, each));
    if (bytes.size() > three_way_limit) return;
    for (std::size_t i = 1; i < bytes.size(); ++i)
        for (std::size_t j = i + 1; j < bytes.size(); ++j) function(cut(bytes, Places{i, j}));
}

}  // namespace waxseal::testing
