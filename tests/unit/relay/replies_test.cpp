// The reply table of interface.md, and what becomes of the upstream's own words.
#include "relay/replies.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace waxseal;
using smtp::make_reply;
using smtp::Reply;

TEST_CASE("each cause has the code that is promised") {
    const std::map<FailureKind, std::string> table{
        {FailureKind::name_lookup, "451 4.4.3 "}, {FailureKind::connect, "451 4.4.1 "},
        {FailureKind::timeout, "451 4.4.1 "},     {FailureKind::tls, "451 4.7.5 "},
        {FailureKind::protocol, "451 4.7.5 "},    {FailureKind::credentials, "451 4.7.0 "},
        {FailureKind::unavailable, "451 4.4.1 "}, {FailureKind::lost, "451 4.4.2 "},
        {FailureKind::busy, "451 4.3.2 "},
    };
    CHECK(table.size() == 9);
    for (const auto& [kind, start] : table) {
        const std::string text = smtp::write(relay::reply_for(kind));
        CAPTURE(text);
        CHECK(text.starts_with(start));
        CHECK(text.ends_with("\r\n"));
        CHECK(text.find("\r\n") == text.size() - 2);
    }
    CHECK(smtp::write(relay::outcome_unknown()).starts_with("451 4.4.2 "));
}

TEST_CASE("every reply of ours has an enhanced code of its own class") {
    for (const Reply& reply :
         {relay::farewell::draining(), relay::farewell::idle(), relay::farewell::not_allowed(),
          relay::farewell::too_many_sessions(), relay::farewell::too_many_from_client(),
          relay::farewell::too_fast(), relay::farewell::too_slow(), relay::outcome_unknown()}) {
        REQUIRE(reply.enhanced.has_value());
        CHECK(reply.enhanced->klass == reply.code / 100);
    }
    CHECK(relay::farewell::not_allowed().code == 554);
    CHECK(relay::farewell::not_allowed().enhanced == smtp::EnhancedCode{5, 7, 1});
    for (const Reply& reply :
         {relay::farewell::draining(), relay::farewell::idle(),
          relay::farewell::too_many_sessions(), relay::farewell::too_many_from_client(),
          relay::farewell::too_fast(), relay::farewell::too_slow()})
        CHECK(reply.code == 421);
}

TEST_CASE("the upstream's words keep their code and text, are made safe, and close nothing") {
    CHECK(relay::for_downstream(make_reply(550, {5, 1, 1}, "No such user")) ==
          make_reply(550, {5, 1, 1}, "No such user"));
    CHECK(relay::for_downstream(make_reply(550, "No")) == make_reply(550, {5, 0, 0}, "No"));
    CHECK(relay::for_downstream(make_reply(421, {4, 3, 2}, "bye")) ==
          make_reply(451, {4, 3, 2}, "bye"));
    CHECK(relay::for_downstream(make_reply(250, {5, 1, 1}, "a\r\n\x1b\x80")) ==
          make_reply(250, {2, 0, 0}, "a????"));
}
