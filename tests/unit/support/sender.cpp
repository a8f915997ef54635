#include "unit/support/sender.hpp"

#include <algorithm>

namespace waxseal::testing {

namespace {

std::string stuffed(std::string_view text) {
    std::string wire;
    for (bool start = true; const char c : text) {
        if (start && c == '.') wire += '.';
        wire += c;
        start = c == '\n';
    }
    return wire + ".\r\n";
}

}  // namespace

Sender::Sender(FakeReactor& reactor, std::shared_ptr<Wire> wire, SenderOptions options)
    : wire_(std::move(wire)),
      options_(std::move(options)),
      pause_(reactor.alarm([this] { paused(); })),
      results_(options_.messages.size()) {
    wire_->set_on_activity([this] { turn(); });
    pause_->arm(Duration{});
}

Sender::~Sender() { wire_->set_on_activity(nullptr); }

bool Sender::all_accepted() const {
    return std::all_of(results_.begin(), results_.end(),
                       [](const Result& one) { return one.accepted(); });
}

std::vector<std::string> Sender::accepted() const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < results_.size(); ++i) {
        for (const int code : results_[i].codes)
            if (code == 250) all.push_back(options_.messages[i]);
    }
    return all;
}

void Sender::turn() {
    const std::string& octets = wire_->sent();
    while (!gave_up_ && taken_ < octets.size()) {
        const std::size_t end = octets.find("\r\n", taken_);
        if (end == std::string::npos) break;
        const std::string line = octets.substr(taken_, end - taken_);
        taken_ = end + 2;
        reply_ += line + "\n";
        if (line.size() < 4 || line[3] == '-') continue;
        take_reply(std::stoi(line.substr(0, 3)), std::exchange(reply_, {}));
    }
    if (wire_->fate() == Fate::open || done_) return;
    if (!gave_up_ && !closing_) wrongs_.emplace_back("closed without a farewell");
    finish();
}

void Sender::take_reply(int code, const std::string& text) {
    const std::string command = waiting_.empty() ? "(nothing)" : waiting_.front();
    transcript_ += command + " -> " + text;
    if (closing_) wrongs_.push_back("a reply after the farewell: " + text);
    if (code == 421) {
        closing_ = true;
        waiting_.clear();
        return;
    }
    if (waiting_.empty()) return wrongs_.push_back("a reply to nothing: " + text);
    waiting_.pop_front();
    codes_.push_back(code);
    if (command == "." || code / 100 == 4) {
        // Only these may carry the relay's own 4yz; an enhanced code is always there.
        if (text.substr(3, 2) != std::string(1, text[3]) + text[0])
            wrongs_.push_back("no fitting enhanced code: " + text);
    }
    if (waiting_.empty()) answered();
}

// Everything that was sent has its reply: what next?
void Sender::answered() {
    const std::vector<int> codes = std::exchange(codes_, {});
    const int code = codes.back();
    switch (doing_) {
        case Doing::greeting:
            doing_ = Doing::hello;
            return send(options_.esmtp ? "EHLO device\r\n" : "HELO device\r\n", {"EHLO"});
        case Doing::hello:
        case Doing::ready:
            return begin_message();
        case Doing::envelope:
            codes_ = codes;
            return after_envelope();
        case Doing::data:
            if (code != 354) return after_attempt(code);
            return send_body();
        case Doing::body:
            results_[current_].codes.push_back(code);
            return after_attempt(code);
        case Doing::reset:
            return begin_message();
        case Doing::quit:
            closing_ = true;
    }
}

void Sender::begin_message() {
    if (current_ == results_.size()) {
        doing_ = Doing::quit;
        return send("QUIT\r\n", {"QUIT"});
    }
    ++results_[current_].attempts;
    doing_ = Doing::envelope;
    codes_.clear();
    if (!options_.pipelines) return send("MAIL FROM:<a@example.com>\r\n", {"MAIL"});
    std::string group = "MAIL FROM:<a@example.com>\r\n";
    std::vector<std::string> commands{"MAIL"};
    for (const std::string& recipient : options_.recipients) {
        group += "RCPT TO:<" + recipient + ">\r\n";
        commands.emplace_back("RCPT");
    }
    send(group, std::move(commands));
}

void Sender::after_envelope() {
    const std::size_t recipients = codes_.size() - 1;
    const bool mail = codes_.front() == 250;
    if (mail && recipients < options_.recipients.size()) {
        return send("RCPT TO:<" + options_.recipients[recipients] + ">\r\n", {"RCPT"});
    }
    const bool some = std::find(codes_.begin() + 1, codes_.end(), 250) != codes_.end();
    const int code = codes_.back();
    codes_.clear();
    if (!mail || !some) return after_attempt(code);
    doing_ = Doing::data;
    send("DATA\r\n", {"DATA"});
}

void Sender::after_attempt(int code) {
    const bool again = code / 100 == 4 && results_[current_].attempts < options_.attempts;
    if (!again) ++current_;
    doing_ = code == 250 || doing_ == Doing::body ? Doing::ready : Doing::reset;
    if (again && options_.retry_pause != Duration{}) return pause_->arm(options_.retry_pause);
    next_attempt();
}

void Sender::next_attempt() {
    if (doing_ == Doing::ready) return begin_message();
    send("RSET\r\n", {"RSET"});
}

void Sender::send_body() {
    doing_ = Doing::body;
    rest_ = stuffed(options_.messages[current_]);
    if (options_.body_pause == Duration{}) return send_rest();
    const std::size_t half = rest_.size() / 2;
    send(rest_.substr(0, half), {});
    rest_.erase(0, half);
    pause_->arm(options_.body_pause);
}

// The alarm is also how it begins: the greeting may have come before it.
void Sender::paused() {
    if (doing_ == Doing::body) return send_rest();
    const bool pausing = doing_ == Doing::ready || (doing_ == Doing::reset && waiting_.empty());
    if (pausing && !done_ && !closing_) return next_attempt();
    turn();
}

void Sender::send_rest() {
    if (gave_up_ || done_ || closing_) return;
    send(std::exchange(rest_, {}), {"."});
    if (!gave_up_) ++completed_;
}

void Sender::send(std::string_view octets, std::vector<std::string> commands) {
    if (gave_up_) return;
    if (++segments_ == options_.give_up) {
        gave_up_ = true;
        pause_->disarm();
        return wire_->end(options_.give_up_how);
    }
    waiting_.insert(waiting_.end(), commands.begin(), commands.end());
    while (!octets.empty()) {
        const std::size_t wanted = options_.segment ? options_.segment() : octets.size();
        const std::size_t size = std::clamp<std::size_t>(wanted, 1, octets.size());
        wire_->feed(octets.substr(0, size));
        octets.remove_prefix(size);
    }
}

void Sender::finish() {
    if (!gave_up_ && !waiting_.empty() && waiting_.front() != "QUIT")
        wrongs_.push_back("no reply to " + waiting_.front());
    done_ = true;
    pause_->disarm();
    wire_->end(EndOfInput::clean);
}

}  // namespace waxseal::testing
