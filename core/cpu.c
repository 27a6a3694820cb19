#include "core/cpu.h"

#include <stdio.h>
#include <string.h>

static const struct {
    uint32_t bit;
    const char *name;
} feature_names[] = {
    {CINCEL_CPU_AVX2, "avx2"},         {CINCEL_CPU_FMA, "fma"},           {CINCEL_CPU_AVX512F, "avx512f"},
    {CINCEL_CPU_AVX512BW, "avx512bw"}, {CINCEL_CPU_AVX512DQ, "avx512dq"}, {CINCEL_CPU_AVX512VL, "avx512vl"},
    {CINCEL_CPU_NEON, "neon"},
};

void cincel_cpu_feature_names(uint32_t features, char *out, size_t size)
{
    size_t used = 0;
    if (size > 0) out[0] = '\0';
    for (size_t i = 0; i < sizeof feature_names / sizeof *feature_names; i++) {
        if (!(features & feature_names[i].bit) || used >= size) continue;
        const int n = snprintf(out + used, size - used, "%s%s", used ? " " : "", feature_names[i].name);
        used += n > 0 ? (size_t)n : 0;
    }
}

#if defined(__x86_64__)

#include <cpuid.h>

/* Bits of CPUID leaf 1 ecx and leaf 7.0 ebx (Intel SDM vol. 2A; AMD APM vol. 3, appendix D). */
enum {
    LEAF1_FMA = 1 << 12,
    LEAF1_OSXSAVE = 1 << 27,
    LEAF1_AVX = 1 << 28,
    LEAF7_AVX2 = 1 << 5,
    LEAF7_AVX512F = 1 << 16,
    LEAF7_AVX512DQ = 1 << 17,
    LEAF7_AVX512BW = 1 << 30
};
static const uint32_t leaf7_avx512vl = UINT32_C(1) << 31;

/* Register state that the OS saves at a switch of tasks. */
enum { XCR0_YMM = 0x6, XCR0_ZMM = 0xe6 };

static uint32_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static uint32_t detect_features(uint32_t leaf1_ecx)
{
    uint32_t eax, ebx = 0, ecx, edx;
    if (!(leaf1_ecx & LEAF1_OSXSAVE) || !(leaf1_ecx & LEAF1_AVX)) return 0;
    const uint32_t xcr0 = read_xcr0();
    if ((xcr0 & XCR0_YMM) != XCR0_YMM) return 0;
    uint32_t found = leaf1_ecx & LEAF1_FMA ? CINCEL_CPU_FMA : 0;
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return found;
    if (ebx & LEAF7_AVX2) found |= CINCEL_CPU_AVX2;
    if ((xcr0 & XCR0_ZMM) != XCR0_ZMM) return found;
    if (ebx & LEAF7_AVX512F) found |= CINCEL_CPU_AVX512F;
    if (ebx & LEAF7_AVX512BW) found |= CINCEL_CPU_AVX512BW;
    if (ebx & LEAF7_AVX512DQ) found |= CINCEL_CPU_AVX512DQ;
    if (ebx & leaf7_avx512vl) found |= CINCEL_CPU_AVX512VL;
    return found;
}

static void name_vendor(const char id[12], char *out, size_t size)
{
    static const struct {
        const char *id, *name;
    } known[] = {{"AuthenticAMD", "amd"},
                 {"GenuineIntel", "intel"},
                 {"HygonGenuine", "hygon"},
                 {"CentaurHauls", "centaur"},
                 {"  Shanghai  ", "zhaoxin"}};
    const char *name = "x86";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (memcmp(id, known[i].id, 12) == 0) name = known[i].name;
    }
    snprintf(out, size, "%s", name);
}

/* The brand string: 48 characters from three leaves, padded with spaces on either side and inside. */
static void read_brand(char *out, size_t size)
{
    uint32_t words[12];
    char text[sizeof words + 1];
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t *w = words + (size_t)i * 4;
        if (!__get_cpuid(0x80000002 + i, &w[0], &w[1], &w[2], &w[3])) return;
    }
    memcpy(text, words, sizeof words);
    text[sizeof words] = '\0';
    size_t used = 0;
    for (const char *c = text; *c && used + 1 < size; c++) {
        if (*c == ' ' && (used == 0 || out[used - 1] == ' ')) continue;
        out[used++] = *c;
    }
    while (used > 0 && out[used - 1] == ' ') used--;
    out[used] = '\0';
}

void cincel_cpu_detect(struct cincel_cpu *out)
{
    uint32_t eax, ebx, ecx, edx;
    *out = (struct cincel_cpu){.vendor = "x86"};
    if (!__get_cpuid(0, &eax, &ebx, &ecx, &edx)) return;
    char id[12];
    memcpy(id, &ebx, 4);
    memcpy(id + 4, &edx, 4);
    memcpy(id + 8, &ecx, 4);
    name_vendor(id, out->vendor, sizeof out->vendor);
    read_brand(out->name, sizeof out->name);
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return;
    const unsigned family = eax >> 8 & 0xf, model = eax >> 4 & 0xf;
    out->family = family == 0xf ? family + (eax >> 20 & 0xff) : family;
    out->model = family == 0xf || family == 6 ? model | (eax >> 16 & 0xf) << 4 : model;
    out->stepping = eax & 0xf;
    out->features = detect_features(ecx);
}

#elif defined(__aarch64__)

#include <asm/hwcap.h>
#include <stdlib.h>
#include <sys/auxv.h>

/* Fields of MIDR_EL1 (Arm ARM, D19): implementer 31:24, part 15:4; variant and revision left out. */
static const uint32_t midr_identity = 0xff0ffff0;

static const struct {
    uint32_t implementer;
    const char *vendor;
} implementers[] = {
    {0x41, "arm"},       {0x42, "broadcom"}, {0x43, "cavium"},    {0x46, "fujitsu"},
    {0x48, "hisilicon"}, {0x4e, "nvidia"},   {0x50, "apm"},       {0x51, "qualcomm"},
    {0x53, "samsung"},   {0x61, "apple"},    {0x6d, "microsoft"}, {0xc0, "ampere"},
};

/* Cores designed by Arm: part numbers of their technical reference manuals. */
static const struct {
    uint32_t part;
    const char *name;
} arm_parts[] = {
    {0xd03, "Cortex-A53"},  {0xd04, "Cortex-A35"},  {0xd05, "Cortex-A55"},  {0xd07, "Cortex-A57"},
    {0xd08, "Cortex-A72"},  {0xd09, "Cortex-A73"},  {0xd0a, "Cortex-A75"},  {0xd0b, "Cortex-A76"},
    {0xd0c, "Neoverse N1"}, {0xd0d, "Cortex-A77"},  {0xd40, "Neoverse V1"}, {0xd41, "Cortex-A78"},
    {0xd44, "Cortex-X1"},   {0xd46, "Cortex-A510"}, {0xd47, "Cortex-A710"}, {0xd48, "Cortex-X2"},
    {0xd49, "Neoverse N2"}, {0xd4d, "Cortex-A715"}, {0xd4e, "Cortex-X3"},   {0xd4f, "Neoverse V2"},
};

/* A number in `format` with the CPU's number; 0 where the file is missing. */
static unsigned long long read_cpu_number(const char *format, int cpu, int base)
{
    char path[128], text[64] = "";
    snprintf(path, sizeof path, format, cpu);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    if (!fgets(text, sizeof text, file)) text[0] = '\0';
    fclose(file);
    return strtoull(text, NULL, base);
}

/* MIDR of the kind of core with the most capacity (or clock). No kernel offers more than 4096 CPUs. */
static uint32_t read_midr(void)
{
    uint32_t midr = 0;
    unsigned long long best = 0;
    for (int cpu = 0; cpu < 4096; cpu++) {
        const uint32_t found =
            (uint32_t)read_cpu_number("/sys/devices/system/cpu/cpu%d/regs/identification/midr_el1", cpu, 16);
        if (found == 0) {
            if (cpu >= 8) break; /* small numbers may be offline: they have no identification */
            continue;
        }
        unsigned long long rank = read_cpu_number("/sys/devices/system/cpu/cpu%d/cpu_capacity", cpu, 10);
        if (rank == 0)
            rank = read_cpu_number("/sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu, 10);
        if (midr == 0 || rank > best) {
            midr = found;
            best = rank;
        }
    }
    return midr & midr_identity;
}

void cincel_cpu_detect(struct cincel_cpu *out)
{
    *out = (struct cincel_cpu){.vendor = "aarch64"};
    if (getauxval(AT_HWCAP) & HWCAP_ASIMD) out->features |= CINCEL_CPU_NEON;
    out->midr = read_midr(); /* absent under user-mode emulation and in some containers */
    const uint32_t implementer = out->midr >> 24, part = out->midr >> 4 & 0xfff;
    for (size_t i = 0; i < sizeof implementers / sizeof *implementers; i++) {
        if (implementers[i].implementer != implementer) continue;
        snprintf(out->vendor, sizeof out->vendor, "%s", implementers[i].vendor);
    }
    for (size_t i = 0; i < sizeof arm_parts / sizeof *arm_parts; i++) {
        if (implementer == 0x41 && arm_parts[i].part == part) {
            snprintf(out->name, sizeof out->name, "%s", arm_parts[i].name);
        }
    }
}

#else

void cincel_cpu_detect(struct cincel_cpu *out) { *out = (struct cincel_cpu){.vendor = "unknown"}; }

#endif
