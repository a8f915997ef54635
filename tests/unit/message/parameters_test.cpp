// Parameters that are not ASCII become those of RFC 2231.
#include "message/parameters.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/text.hpp"
#include "message/header_block.hpp"

using namespace waxseal;
using namespace waxseal::message;

namespace {

struct Result {
    std::string field;
    bool changed = false;
};

Result written(std::string_view body) {
    Result result{"Content-Type:"};
    FieldWriter writer(result.field, FieldWriter::Folding::anew);
    result.changed = write_parameters(writer, body);
    writer.finish();
    return result;
}

struct Case {
    std::string before;
    std::string after;
};

}  // namespace

TEST_CASE("parameters: values that are not ASCII") {
    const std::vector<Case> cases{
        {" a/b; name=\"é\"", " a/b; name*=UTF-8''%C3%A9"},
        {" a/b;name=é", " a/b; name*=UTF-8''%C3%A9"},
        {" a/b; name=\"é a;b \\\"c\\\\.pdf\" ; x=y",
         " a/b; name*=UTF-8''%C3%A9%20a%3Bb%20%22c%5C.pdf; x=y"},
        {" a/b; x=\"y;z\"; name=é b.pdf", " a/b; x=\"y;z\"; name*=UTF-8''%C3%A9%20b.pdf"},
        {" a/b; name = é", " a/b; name*=UTF-8''%C3%A9"},
        {" a/b;\r\n\tname=\"é\r\n b\"", " a/b; name*=UTF-8''%C3%A9%20b"},
        {" a/b; name=\"é", " a/b; name*=UTF-8''%C3%A9"},
        // A file's name has brackets; other values may have comments.
        {" a/b; name=é (1).pdf", " a/b; name*=UTF-8''%C3%A9%20%281%29.pdf"},
        {" a/b; name=\"é\" (ü)", " a/b; name*=UTF-8''%C3%A9\r\n (=?UTF-8?B?w7w=?=)"},
        {" a/b; x=é(y)", " a/b; x*=UTF-8''%C3%A9 (y)"},
        {" a/b; charset=utf-8 (é)", " a/b; charset=utf-8 (=?UTF-8?B?w6k=?=)"},
        {" a/b; charset=\"utf-8\"(é)", " a/b; charset=\"utf-8\"(=?UTF-8?B?w6k=?=)"},
        {" a/b (é); c=d", " a/b (=?UTF-8?B?w6k=?=); c=d"},
        {" a/b; name=é; filename=è", " a/b; name*=UTF-8''%C3%A9; filename*=UTF-8''%C3%A8"},
        // Beside one that says it already, for old readers.
        {" a/b; NAME=\"é\\\"x.pdf\"; name*=UTF-8''%C3%A9",
         " a/b; NAME=\"_\\\"x.pdf\"; name*=UTF-8''%C3%A9"},
        {" a/b; name*0*=UTF-8''%C3; name*1*=%A9; name=€",
         " a/b; name*0*=UTF-8''%C3; name*1*=%A9; name=\"_\""},
    };
    for (const Case& example : cases) {
        const Result result = written(example.before);
        CHECK(result.field == "Content-Type:" + example.after + "\r\n");
        CHECK(result.changed);
    }
}

TEST_CASE("parameters: what cannot be said otherwise, or is none, stays") {
    for (const std::string text :
         {" a/b; name=x", " é/b; name=x", " a/b; é", " a/b; é=x", " a/b; na me=é", " a/b; =é",
          " a/b; name*=UTF-8''é", " a/b; name=\"é\" x", " a/b; name*1=é", " a/b; boundary=\"é\"",
          " a/b; Charset=é", " a/b; x=é y"}) {
        CAPTURE(text);
        const Result result = written(text);
        CHECK_FALSE(result.changed);
        CHECK(result.field == "Content-Type:" + text + "\r\n");
    }
}

TEST_CASE("parameters: in sections of whole characters where a line is too short") {
    std::string name;
    for (int i = 0; i < 30; ++i) name += "é€😀x";
    for (const std::size_t longer : {1U, 30U, 40U}) {
        const std::string parameter(longer, 'n');
        std::string field = written(" a/b; " + parameter + "=\"" + name + "\"").field;
        std::string joined;
        std::string_view rest = field;
        for (std::size_t section = 0; !rest.empty();) {
            const std::string_view line = without_line_end(take_line(rest));
            CHECK(line.size() <= 76);
            CHECK(text::ascii(line));
            const std::string start = parameter + "*" + std::to_string(section) + "*=";
            if (line.find(start) == std::string_view::npos) continue;
            std::string octets;
            std::string_view value = line.substr(line.find(start) + start.size());
            if (section++ == 0) value.remove_prefix(7);
            for (; !value.empty() && value[0] != ';'; value.remove_prefix(1)) {
                if (value[0] != '%') {
                    octets += value[0];
                    continue;
                }
                octets +=
                    static_cast<char>(std::stoi(std::string(value.substr(1, 2)), nullptr, 16));
                value.remove_prefix(2);
            }
            CHECK(text::valid_utf8(octets));
            joined += octets;
        }
        CHECK(joined == name);
    }
}
