// The header serves C++17, and its version is the library's.
#include <cincel/cincel.h>
#include <cstdio>
#include <memory>
#include <string>

int main()
{
    cincel_config config = CINCEL_CONFIG_INIT;
    config.threads = 1;
    cincel_context *raw = nullptr;
    if (cincel_context_create(&config, &raw) != CINCEL_OK) {
        std::fprintf(stderr, "%s\n", cincel_error_message());
        return 1;
    }
    const std::unique_ptr<cincel_context, decltype(&cincel_context_destroy)> ctx(raw, cincel_context_destroy);
    const std::string header = std::to_string(CINCEL_VERSION_MAJOR) + "." +
                               std::to_string(CINCEL_VERSION_MINOR) + "." +
                               std::to_string(CINCEL_VERSION_PATCH);
    return cincel_context_threads(ctx.get()) == 1 && header == cincel_version() ? 0 : 1;
}
