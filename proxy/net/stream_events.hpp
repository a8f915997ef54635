// Internal to net/: who uses a Stream. Apart from stream.hpp, so that headers that others include
// stay free of libuv.
#pragma once

#include <string_view>

namespace waxseal::net {

// `error` is a negative libuv code, or 0.
class StreamEvents {
  public:
    virtual void on_connected(int error) = 0;
    virtual void on_data(std::string_view bytes) = 0;
    virtual void on_end(int error) = 0;   // 0: the peer's FIN
    virtual void on_sent(int error) = 0;  // also: everything is sent after finish()

  protected:
    StreamEvents() = default;
    StreamEvents(const StreamEvents&) = default;
    StreamEvents& operator=(const StreamEvents&) = default;
    ~StreamEvents() = default;
};

}  // namespace waxseal::net
