#include "tune/folders.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool cincel_user_folder(const char *variable, const char *below_home, char *out, size_t size)
{
    const char *base = getenv(variable), *below = "";
    if (!base || base[0] != '/') { /* the specification ignores relative paths */
        base = getenv("HOME");
        below = below_home;
    }
    if (!base || base[0] != '/') return false;
    const int length = snprintf(out, size, "%s%s%s/cincel", base, *below ? "/" : "", below);
    return length > 0 && (size_t)length < size;
}

bool cincel_make_folders(const char *folder)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s", folder) >= (int)sizeof path) return false;
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST) return false;
        *slash = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}
