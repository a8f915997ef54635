// Stands in for libFuzzer where it is not linked: runs a fuzz target once over each file named on
// the command line, and over each file below each directory named, in a fixed order. A target says
// that something is wrong by crashing, as it does for libFuzzer.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> inputs_of(const fs::path& path) {
    if (!fs::is_directory(path)) {
        return {path};
    }
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
        if (entry.is_regular_file()) {
            files.push_back(entry.path());
        }
    }
    std::ranges::sort(files);
    return files;
}

void replay(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    stream.exceptions(std::ios::badbit);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    // Exactly as long as the input, so that AddressSanitizer sees the first byte past its end.
    const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(input.data(), input.size());
}

}  // namespace

int main(int argc, char** argv) {
    std::string current = "the empty input";
    try {
        std::size_t count = 0;
        LLVMFuzzerTestOneInput(nullptr, 0);
        for (int i = 1; i < argc; ++i) {
            if (!fs::exists(argv[i])) {
                continue;  // a target without a corpus yet
            }
            for (const auto& file : inputs_of(argv[i])) {
                current = file.string();
                replay(file);
                ++count;
            }
        }
        std::printf("%zu inputs\n", count);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", current.c_str(), error.what());
        return 1;
    }
}
