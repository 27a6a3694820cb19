#include "options.hpp"

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace bench
{
namespace
{

std::vector<std::string> split(const std::string &text)
{
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
    return parts;
}

[[noreturn]] void refuse(const std::string &option, const std::string &value, const char *wanted)
{
    throw std::runtime_error(option + ": \"" + value + "\" is not " + wanted);
}

std::vector<cincel_pass> parse_passes(const std::string &text)
{
    std::vector<cincel_pass> passes;
    for (const std::string &part : split(text)) {
        if (part == "fwd")
            passes.push_back(CINCEL_FORWARD);
        else if (part == "bwd_data" || part == "bwd")
            passes.push_back(CINCEL_BACKWARD_DATA);
        else if (part == "bwd_weights")
            passes.push_back(CINCEL_BACKWARD_WEIGHTS);
        else
            refuse("--passes", part, "fwd, bwd_data or bwd_weights");
    }
    if (passes.empty()) refuse("--passes", text, "a list of passes");
    return passes;
}

std::vector<int> parse_threads(const std::string &text)
{
    std::vector<int> threads;
    for (const std::string &part : split(text)) {
        char *end = nullptr;
        const long value = std::strtol(part.c_str(), &end, 10);
        if (part.empty() || *end != '\0' || value < 1 || value > 4096) refuse("--threads", part, "1 … 4096");
        threads.push_back(int(value));
    }
    if (threads.empty()) refuse("--threads", text, "a list of numbers");
    return threads;
}

cincel_effort parse_effort(const std::string &text)
{
    if (text == "estimate") return CINCEL_ESTIMATE;
    if (text == "profile") return CINCEL_PROFILE;
    if (text == "measure") return CINCEL_MEASURE;
    refuse("--effort", text, "estimate, profile or measure");
}

// "--name=value" or "--name value"; advances *i past a separate value.
bool take(const std::string &name, int argc, char **argv, int *i, std::string *value)
{
    const std::string argument = argv[*i];
    if (argument.compare(0, name.size() + 1, name + "=") == 0) {
        *value = argument.substr(name.size() + 1);
        return true;
    }
    if (argument != name) return false;
    if (*i + 1 >= argc) throw std::runtime_error(name + " needs a value");
    *value = argv[++*i];
    return true;
}

} // namespace

Options parse_options(int *argc, char **argv)
{
    Options o;
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        std::string value;
        if (take("--shapes", *argc, argv, &i, &value)) {
            o.shapes.push_back(value);
        } else if (take("--passes", *argc, argv, &i, &value)) {
            o.passes = parse_passes(value);
        } else if (take("--threads", *argc, argv, &i, &value)) {
            o.threads = parse_threads(value);
        } else if (take("--effort", *argc, argv, &i, &value)) {
            o.effort = parse_effort(value);
        } else if (std::string(argv[i]).rfind("--benchmark_min_time=", 0) == 0) {
            // Our own rounds last this long; Google Benchmark only reports their result.
            value = std::string(argv[i]).substr(std::string("--benchmark_min_time=").size());
            char *end = nullptr;
            o.seconds = std::strtod(value.c_str(), &end);
            if (end == value.c_str() || (*end != '\0' && std::string(end) != "s") || !(o.seconds > 0.0))
                refuse("--benchmark_min_time", value, "a positive number of seconds");
        } else if (std::string(argv[i]).rfind("--benchmark_list_tests", 0) == 0) {
            value = argv[i];
            o.list = value == "--benchmark_list_tests" || value == "--benchmark_list_tests=true" ||
                     value == "--benchmark_list_tests=1";
        } else {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = nullptr;
    *argc = kept;
    return o;
}

void print_usage()
{
    std::puts("usage: cincel-bench --shapes FILE [--shapes FILE …] [options] [--benchmark_… flags]\n"
              "  --shapes FILE       problems, in the format of bench/shapes/*.txt\n"
              "  --passes LIST       of fwd,bwd_data,bwd_weights (default: all)\n"
              "  --threads LIST      numbers of threads (default: 1 and all physical cores)\n"
              "  --effort E          of cincel's plans: estimate, profile (default) or measure\n"
              "Names: conv/<problem>/<pass>/threads:<t>/<implementation>; --benchmark_filter=REGEX selects.\n"
              "All implementations of one problem are measured in turns for --benchmark_min_time seconds\n"
              "each (default 0.5); the time reported is the minimum, and min_ms, median_ms say both.");
}

} // namespace bench
