/*
 * The CPU quota of the control groups this process lives in. A limit may stand at any level above the
 * process, so the path is walked up to the mount point. In a container the mount often shows only a
 * subtree (the `root` field of mountinfo), while /proc/self/cgroup gives the path from the host's top.
 */
#include "core/topology_parts.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One mounted hierarchy that may limit CPU time. */
struct hierarchy {
    bool v2;
    char root[PATH_MAX], mount[PATH_MAX];
};

/* Is `word` an element of a comma-separated list? */
static bool list_has(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; *at; at += *at == ',') {
        const size_t span = strcspn(at, ",");
        if (span == length && memcmp(at, word, length) == 0) return true;
        at += span;
    }
    return false;
}

/* mountinfo writes blanks and backslashes as three octal digits. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from;) {
        unsigned code;
        if (*from == '\\' && strlen(from) >= 4 && sscanf(from + 1, "%3o", &code) == 1) {
            *to++ = (char)code;
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

/* "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu" (proc(5)). */
static bool parse_mount(char *line, struct hierarchy *out)
{
    char type[32], options[256];
    char *tail = strstr(line, " - ");
    if (!tail || sscanf(line, "%*s %*s %*s %4095s %4095s", out->root, out->mount) != 2) return false;
    if (sscanf(tail + 3, "%31s %*s %255s", type, options) != 2) return false;
    unescape(out->root);
    unescape(out->mount);
    out->v2 = strcmp(type, "cgroup2") == 0;
    return out->v2 || (strcmp(type, "cgroup") == 0 && list_has(options, "cpu"));
}

/* The group of this process in a hierarchy: a line "0::/path" (v2) or "4:cpu,cpuacct:/path" (v1). */
static bool find_group(const char *root, bool v2, char group[PATH_MAX])
{
    char path[PATH_MAX], *line = NULL;
    size_t capacity = 0;
    bool found = false;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (!file) return false;
    while (!found && getline(&line, &capacity, file) > 0) {
        char *controllers = strchr(line, ':');
        char *where = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!where) continue;
        *where++ = '\0';
        controllers++;
        where[strcspn(where, "\n")] = '\0';
        if (v2 ? *controllers != '\0' : !list_has(controllers, "cpu")) continue;
        found = snprintf(group, PATH_MAX, "%s", where) < PATH_MAX;
    }
    free(line);
    fclose(file);
    return found;
}

static bool read_numbers(const char *folder, const char *name, char text[64])
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return false;
    FILE *file = fopen(path, "re");
    if (!file) return false;
    const bool found = fgets(text, 64, file) != NULL;
    fclose(file);
    return found;
}

/* CPUs granted by one folder; 0: no limit, or none that can be read. */
static double folder_quota(const char *folder, bool v2)
{
    char text[64];
    double quota = 0.0, period = 0.0;
    if (v2) { /* "150000 100000", or "max 100000" */
        if (!read_numbers(folder, "cpu.max", text) || sscanf(text, "%lf %lf", &quota, &period) != 2)
            return 0.0;
    } else {
        if (!read_numbers(folder, "cpu.cfs_quota_us", text) || sscanf(text, "%lf", &quota) != 1) return 0.0;
        if (!read_numbers(folder, "cpu.cfs_period_us", text) || sscanf(text, "%lf", &period) != 1) return 0.0;
    }
    return quota > 0.0 && period > 0.0 ? quota / period : 0.0;
}

static double tighter(double a, double b) { return a > 0.0 && (b <= 0.0 || a < b) ? a : b; }

static double hierarchy_quota(const char *root, const struct hierarchy *h)
{
    char group[PATH_MAX], folder[3 * PATH_MAX];
    if (!find_group(root, h->v2, group)) return 0.0;
    const size_t shown = strcmp(h->root, "/") == 0 ? 0 : strlen(h->root);
    const bool below = strncmp(group, h->root, shown) == 0 && (group[shown] == '/' || group[shown] == '\0');
    const char *inside = below && !strstr(group, "/..") ? group + shown : "";
    const int written = snprintf(folder, sizeof folder, "%s%s", root, h->mount);
    const size_t top = written > 0 ? (size_t)written : 0;
    snprintf(folder + top, sizeof folder - top, "%s", inside);
    double quota = 0.0;
    for (;;) {
        quota = tighter(folder_quota(folder, h->v2), quota);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < top) break;
        *slash = '\0';
    }
    return quota;
}

double cincel_cgroup_quota(const char *root)
{
    struct hierarchy h;
    char path[PATH_MAX], *line = NULL;
    size_t capacity = 0;
    double quota = 0.0;
    snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
    FILE *file = fopen(path, "re");
    if (!file) return 0.0;
    while (getline(&line, &capacity, file) > 0) {
        if (parse_mount(line, &h)) quota = tighter(hierarchy_quota(root, &h), quota);
    }
    free(line);
    fclose(file);
    return quota;
}
