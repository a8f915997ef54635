// Internal to net/: what every libuv handle of ours carries in its data field.
//
// The object behind a handle lives until that handle's close callback (which deletes it) and no
// shorter; whoever uses it from outside holds a Held<T>, whose end only lets go. So no callback of
// libuv ever meets a dead object.
#pragma once

#include <memory>

namespace waxseal::net {

class HandleOwner {
  public:
    HandleOwner() = default;
    HandleOwner(const HandleOwner&) = delete;
    HandleOwner& operator=(const HandleOwner&) = delete;
    virtual ~HandleOwner() = default;

    // The user is gone: call nothing of his any more, and close the handle now or when the work is
    // done.
    virtual void release() noexcept = 0;
    // The loop is about to end: close the handle now.
    virtual void close_now() noexcept = 0;
};

struct Release {
    void operator()(HandleOwner* owner) const noexcept { owner->release(); }
};
template <typename T>
using Held = std::unique_ptr<T, Release>;

}  // namespace waxseal::net
