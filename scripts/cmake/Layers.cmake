# waxseal_layer(<name> DEPENDS <layer>... USES <library>...)
#
# proxy/<name>/*.cpp becomes the static library waxseal_<name> (waxseal::<name>). DEPENDS are the
# layers it may include, USES the libraries only its own .cpp files may include (scripts/layers
# checks both). A folder that is missing or has no .cpp yet is a library without code, so that any
# layer can be built and tested alone.
function(waxseal_layer name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;USES")
    set(target waxseal_${name})
    set(folder ${PROJECT_SOURCE_DIR}/proxy/${name})
    # A folder is its library: there is no list to forget a file in.
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
    list(TRANSFORM arg_DEPENDS PREPEND waxseal_)
    if(sources)
        add_library(${target} STATIC ${sources})
        target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/proxy)
        target_link_libraries(${target} PUBLIC ${arg_DEPENDS} PRIVATE ${arg_USES} waxseal_flags)
    else()
        add_library(${target} INTERFACE)
        target_include_directories(${target} INTERFACE ${PROJECT_SOURCE_DIR}/proxy)
        target_link_libraries(${target} INTERFACE ${arg_DEPENDS})
    endif()
    add_library(waxseal::${name} ALIAS ${target})
    set_property(GLOBAL APPEND PROPERTY WAXSEAL_LAYERS ${name})
endfunction()
