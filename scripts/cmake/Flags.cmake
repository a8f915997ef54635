# Warnings, hardening and the instrumentation a preset asks for. Everything of ours links
# waxseal_flags; what is found in the system is compiled as system headers and so is not warned about.

option(WAXSEAL_WERROR "Warnings are errors" ON)
option(WAXSEAL_HARDEN "Compile and link with the hardening flags" OFF)
option(WAXSEAL_FUZZER "Link fuzz targets with libFuzzer (clang)" OFF)
option(WAXSEAL_COVERAGE "Measure line coverage (gcov)" OFF)
set(WAXSEAL_SANITIZE "" CACHE STRING "Sanitizers, as given to -fsanitize=")

# ccache makes the other presets and checkouts cheap; its absence changes nothing.
find_program(WAXSEAL_CCACHE ccache)
mark_as_advanced(WAXSEAL_CCACHE)
if(WAXSEAL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${WAXSEAL_CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${WAXSEAL_CCACHE})
endif()

add_library(waxseal_flags INTERFACE)
target_compile_options(waxseal_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
    -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wcast-qual -Wformat=2 -Wimplicit-fallthrough)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # -Wnull-dereference, -Wrestrict, -Warray-bounds, -Wstringop-* and -Wmaybe-uninitialized of
    # g++ 12 see ghosts in its own std::string, std::variant and std::expected once it inlines.
    target_compile_options(waxseal_flags INTERFACE
        -Wduplicated-cond -Wlogical-op
        -Wno-restrict -Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow
        -Wno-stringop-overread -Wno-dangling-pointer)
else()
    # -Wstring-conversion dislikes assert(!"why"), -Wdeprecated-declarations what g++ 12's own
    # <algorithm> does. No error for a name that only a newer clang knows.
    target_compile_options(waxseal_flags INTERFACE
        -Wnull-dereference -Wthread-safety -Wno-string-conversion -Wno-deprecated-declarations
        -Wno-unknown-warning-option)
endif()
if(WAXSEAL_WERROR)
    target_compile_options(waxseal_flags INTERFACE -Werror)
endif()
target_compile_definitions(waxseal_flags INTERFACE _GLIBCXX_ASSERTIONS)

# Instrumentation has to reach every object and the link, so it is global.
if(WAXSEAL_SANITIZE)
    add_compile_options(-fsanitize=${WAXSEAL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${WAXSEAL_SANITIZE} -fno-sanitize-recover=all)
endif()
if(WAXSEAL_FUZZER)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(WAXSEAL_COVERAGE)
    add_compile_options(--coverage -fprofile-abs-path)
    add_link_options(--coverage)
endif()

if(WAXSEAL_HARDEN)
    set(CMAKE_POSITION_INDEPENDENT_CODE ON)
    add_compile_options(
        -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero
        "$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>")
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
        add_compile_options(-fcf-protection)
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
        add_compile_options(-mbranch-protection=standard)
    endif()
    add_link_options(-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
endif()
