// Usage: print_tables            prints both protocol tables as Markdown
//        print_tables --check FILE   fails if the tables in FILE are not these
//        print_tables --write FILE   puts them there
//
// A table stands in the file between the lines "<!-- table:NAME -->" and "<!-- /table -->".
#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "smtp/client_table.hpp"
#include "smtp/server_table.hpp"

namespace {

using namespace waxseal;
using smtp::Client;
using smtp::ClientTable;
using smtp::Server;
using smtp::ServerTable;

std::string phases(smtp::ServerPhases set) {
    if (set == ServerTable::anywhere) return "always";
    std::string out;
    for (unsigned bit = 1; bit <= 0x8000; bit <<= 1) {
        const auto phase = static_cast<Server::Phase>(bit);
        if (!contains(set, phase)) continue;
        out += (out.empty() ? "" : ", ") + std::string(to_string(phase));
    }
    return out;
}

std::string_view name(ServerTable::Batch batch) {
    switch (batch) {
        case ServerTable::Batch::inner:
            return "inner";
        case ServerTable::Batch::last:
            return "last";
        case ServerTable::Batch::sync:
            return "sync";
    }
    return "?";
}

std::string_view name(ServerTable::Needs needs) {
    switch (needs) {
        case ServerTable::Needs::nothing:
            return "";
        case ServerTable::Needs::tls:
            return "TLS";
        case ServerTable::Needs::login:
            return "TLS, AUTH";
    }
    return "?";
}

std::string server_table() {
    std::ostringstream out;
    out << "| command | legal in | where required, needs | in a batch | what it does |\n"
           "|---|---|---|---|---|\n";
    for (const ServerTable::Row& row : ServerTable::rows)
        out << "| " << to_string(row.verb) << " | " << phases(row.phases) << " | "
            << name(row.needs) << " | " << name(row.batch) << " | " << row.answer << " |\n";
    return out.str();
}

std::string client_table() {
    std::ostringstream out;
    out << "| waiting for | deadline | what a reply means |\n|---|---|---|\n";
    for (const ClientTable::Row& row : ClientTable::rows)
        out << "| " << row.phrase << " | "
            << (row.timer == Timer::data_reply ? "data_reply" : "upstream_reply") << " | "
            << row.meaning << " |\n";
    return out.str();
}

// Replaces what stands between the marks; false when they are not there.
bool place(std::string& text, const std::string& table_name, const std::string& table) {
    const std::string mark = "<!-- table:" + table_name + " -->\n";
    const std::size_t begin = text.find(mark);
    const std::size_t end = text.find("<!-- /table -->", begin);
    if (begin == std::string::npos || end == std::string::npos) return false;
    text.replace(begin + mark.size(), end - begin - mark.size(), table);
    return true;
}

int fail(const std::string& text) {
    std::cerr << text << '\n';
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 1) {
        std::cout << server_table() << '\n' << client_table();
        return 0;
    }
    const std::string_view mode = argv[1];
    if (argc != 3 || (mode != "--check" && mode != "--write"))
        return fail("usage: print_tables [--check FILE | --write FILE]");
    const std::string file = argv[2];
    std::ifstream in(file);
    if (!in) return fail(file + ": cannot be read");
    const std::string before{std::istreambuf_iterator<char>(in), {}};
    std::string after = before;
    if (!place(after, "server", server_table()) || !place(after, "client", client_table()))
        return fail(file + ": has no marks for the tables");
    if (after == before) return 0;
    if (mode == "--check")
        return fail(file + ": the protocol tables are not current; run: print_tables --write " +
                    file);
    std::ofstream(file) << after;
    return 0;
}
