// waxseal's entry point: everything is in app/.
#include "app/application.hpp"

int main(int argc, char** argv, char** environment) {
    return waxseal::app::main(argc, argv, environment);
}
