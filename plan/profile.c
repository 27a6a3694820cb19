/* Public calls of profiles, and the layers a context reads. */
#include "tune/profile_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/abi.h"
#include "core/status.h"
#include "plan/plan.h"
#include "tune/folders.h"

static struct cincel_profile_facts facts_of(const cincel_context *ctx)
{
    struct cincel_profile_facts facts;
    cincel_profile_facts_here(&ctx->machine, ctx->isas[0]->name, &facts);
    return facts;
}

static cincel_status check_flags(unsigned flags)
{
    if (!(flags & ~(unsigned)CINCEL_PROFILE_FORCE)) return CINCEL_OK;
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: flags are 0x%x, only CINCEL_PROFILE_FORCE exists",
                       flags);
}

static cincel_status check_stats(const cincel_profile_stats *stats)
{
    return stats ? cincel_struct_check("profile: stats", stats, sizeof *stats) : CINCEL_OK;
}

static cincel_status put_stats(const cincel_profile_stats *from, cincel_profile_stats *to)
{
    return to ? cincel_struct_out("profile: stats", from, sizeof *from, sizeof *from, to) : CINCEL_OK;
}

/* ------------------------------------------------------------------------------------ paths -- */

static bool file_name(const cincel_context *ctx, const char *folder, char *out, size_t size)
{
    char key[96];
    cincel_machine_key(&ctx->machine, ctx->isas[0]->name, key, sizeof key);
    const int length = snprintf(out, size, "%s/%s.profile", folder, key);
    return length > 0 && (size_t)length < size;
}

/* The i-th folder of $XDG_CONFIG_DIRS that is an absolute path, the first has precedence. */
static bool system_folder(int i, char *out, size_t size)
{
    const char *list = getenv("XDG_CONFIG_DIRS");
    if (!list || !*list) list = "/etc/xdg";
    for (;; list++) {
        const size_t length = strcspn(list, ":");
        if (*list == '/' && i-- == 0) {
            const int printed = snprintf(out, size, "%.*s/cincel", (int)cincel_min(length, PATH_MAX), list);
            return printed > 0 && (size_t)printed < size;
        }
        list += length;
        if (!*list) return false;
    }
}

static bool layer_path(const cincel_context *ctx, cincel_profile_layer layer, char *out, size_t size)
{
    char folder[PATH_MAX];
    const char *named;
    switch (layer) {
    case CINCEL_PROFILE_SYSTEM:
        return system_folder(0, folder, sizeof folder) && file_name(ctx, folder, out, size);
    case CINCEL_PROFILE_USER:
        return cincel_user_folder("XDG_CONFIG_HOME", ".config", folder, sizeof folder) &&
               file_name(ctx, folder, out, size);
    case CINCEL_PROFILE_ENVIRONMENT:
        named = getenv("CINCEL_PROFILE");
        return named && *named && (size_t)snprintf(out, size, "%s", named) < size;
    }
    return false;
}

cincel_status cincel_profile_path(const cincel_context *ctx, cincel_profile_layer layer, char *out,
                                  size_t size)
{
    char path[2 * PATH_MAX];
    if (!ctx || !out) return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: %s is NULL", ctx ? "out" : "ctx");
    if ((int)layer < CINCEL_PROFILE_SYSTEM || layer > CINCEL_PROFILE_ENVIRONMENT)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: layer is %d, no such value", (int)layer);
    if (!layer_path(ctx, layer, path, sizeof path))
        return cincel_fail(CINCEL_UNSUPPORTED, "profile: the environment names no file for layer %d",
                           (int)layer);
    const size_t needed = strlen(path) + 1;
    if (needed > size)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: size is %zu, the path needs %zu", size, needed);
    memcpy(out, path, needed);
    return CINCEL_OK;
}

/* ---------------------------------------------------------------------------------- reading -- */

/* `missing` is no error where it is not NULL, and says so. */
static cincel_status load(cincel_context *ctx, const char *path, bool force, bool *missing,
                          cincel_profile_stats *stats)
{
    struct cincel_profile_content content;
    struct cincel_profile_entry e;
    const struct cincel_profile_facts here = facts_of(ctx);
    size_t *const count[] = {&stats->added, &stats->replaced, &stats->kept}; /* by fate */
    cincel_status st = cincel_profile_read(path, &content);
    if (st != CINCEL_OK) return st;
    if (missing) *missing = !content.there;
    if (!content.there && !missing) st = cincel_fail(CINCEL_IO_ERROR, "%s: no such file, or empty", path);
    if (content.there && !force)
        st = cincel_profile_check_machine(path, &content.facts, cincel_profile_machine(&here));
    for (size_t i = 0; st == CINCEL_OK && cincel_profile_at(content.profile, i, &e); i++) {
        enum cincel_profile_fate fate;
        if (!cincel_profile_put(ctx->profile, &e, CINCEL_PROFILE_NEWER, &fate))
            st = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory", path);
        else
            ++*count[fate];
    }
    stats->entries = cincel_profile_size(content.profile);
    stats->damaged = content.damaged;
    cincel_profile_destroy(content.profile);
    return st;
}

static void read_layer(cincel_context *ctx, const char *path)
{
    cincel_profile_stats stats = CINCEL_PROFILE_STATS_INIT;
    bool missing = false;
    if (load(ctx, path, false, &missing, &stats) != CINCEL_OK)
        cincel_context_log(ctx, "profile: not used: %s", cincel_error_message());
    else if (!missing)
        cincel_context_log(ctx, "profile: %s: %zu entries, %zu damaged lines skipped", path, stats.entries,
                           stats.damaged);
}

void cincel_context_read_profiles(cincel_context *ctx)
{
    char folder[PATH_MAX], path[2 * PATH_MAX];
    int folders = 0;
    while (system_folder(folders, folder, sizeof folder)) folders++;
    while (folders-- > 0)
        if (system_folder(folders, folder, sizeof folder) && file_name(ctx, folder, path, sizeof path))
            read_layer(ctx, path);
    if (layer_path(ctx, CINCEL_PROFILE_USER, path, sizeof path)) read_layer(ctx, path);
    if (layer_path(ctx, CINCEL_PROFILE_ENVIRONMENT, path, sizeof path)) read_layer(ctx, path);
}

cincel_status cincel_profile_load(cincel_context *ctx, const char *path, unsigned flags,
                                  cincel_profile_stats *stats)
{
    cincel_profile_stats s = CINCEL_PROFILE_STATS_INIT;
    if (!ctx || !path)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: %s is NULL", ctx ? "path" : "ctx");
    if (!ctx->profile)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: the context is reproducible and reads none");
    cincel_status st = check_flags(flags);
    if (st == CINCEL_OK) st = check_stats(stats);
    if (st == CINCEL_OK) st = load(ctx, path, flags & CINCEL_PROFILE_FORCE, NULL, &s);
    return st == CINCEL_OK ? put_stats(&s, stats) : st;
}

size_t cincel_profile_entries(cincel_context *ctx)
{
    return ctx && ctx->profile ? cincel_profile_size(ctx->profile) : 0;
}

/* ---------------------------------------------------------------------------------- writing -- */

/* `path`, or the user's file in its place. */
static cincel_status target_path(const cincel_context *ctx, const char *path, char out[2 * PATH_MAX])
{
    if (!path) return cincel_profile_path(ctx, CINCEL_PROFILE_USER, out, (size_t)2 * PATH_MAX);
    if (strlen(path) >= PATH_MAX)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: path is longer than %d bytes", PATH_MAX - 1);
    strcpy(out, path);
    return CINCEL_OK;
}

cincel_status cincel_profile_save(cincel_context *ctx, const char *path)
{
    char target[2 * PATH_MAX];
    struct cincel_profile_entry e;
    if (!ctx) return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: ctx is NULL");
    cincel_status st = target_path(ctx, path, target);
    if (st != CINCEL_OK || !ctx->profile) return st;
    struct cincel_profile *measured = cincel_profile_create();
    bool whole = measured != NULL;
    for (size_t i = 0; whole && cincel_profile_at(ctx->profile, i, &e); i++)
        if (e.measured) whole = cincel_profile_put(measured, &e, CINCEL_PROFILE_NEWER, NULL);
    const struct cincel_profile_facts facts = facts_of(ctx);
    st = whole ? cincel_profile_rewrite(target, &facts, measured, CINCEL_PROFILE_NEWER, false, NULL)
               : cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory", target);
    cincel_profile_destroy(measured);
    return st;
}

cincel_status cincel_profile_append(const cincel_plan *plan, const char *path)
{
    char target[2 * PATH_MAX];
    if (!plan) return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: plan is NULL");
    if (plan->timing.source != CINCEL_SOURCE_MEASURED)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: the plan was not measured but comes from: %s",
                           cincel_source_name(plan->timing.source));
    const cincel_status st = target_path(plan->ctx, path, target);
    if (st != CINCEL_OK) return st;
    struct cincel_profile_entry e = {.seconds = plan->timing.seconds,
                                     .spread = plan->timing.spread,
                                     .default_seconds = plan->timing.default_seconds};
    cincel_profile_identify(&e, &plan->problem, plan->threads_allowed);
    memcpy(e.choice, plan->choice_text, sizeof e.choice);
    const struct cincel_profile_facts facts = facts_of(plan->ctx);
    return cincel_profile_append_entry(target, &facts, &e);
}

cincel_status cincel_profile_merge(const char *to, const char *from, unsigned flags,
                                   cincel_profile_stats *stats)
{
    cincel_profile_stats s = CINCEL_PROFILE_STATS_INIT;
    struct cincel_profile_content source;
    struct cincel_profile_merged merged = {0};
    if (!to || !from) return cincel_fail(CINCEL_INVALID_ARGUMENT, "profile: %s is NULL", to ? "from" : "to");
    cincel_status st = check_flags(flags);
    if (st == CINCEL_OK) st = check_stats(stats);
    if (st == CINCEL_OK) st = cincel_profile_read(from, &source);
    if (st != CINCEL_OK) return st;
    if (!source.there)
        st = cincel_fail(CINCEL_IO_ERROR, "%s: no such file, or empty", from);
    else
        st = cincel_profile_rewrite(to, &source.facts, source.profile, CINCEL_PROFILE_FASTER,
                                    flags & CINCEL_PROFILE_FORCE, &merged);
    s.entries = cincel_profile_size(source.profile);
    s.added = merged.added;
    s.replaced = merged.replaced;
    s.kept = merged.kept;
    s.damaged = source.damaged;
    cincel_profile_destroy(source.profile);
    return st == CINCEL_OK ? put_stats(&s, stats) : st;
}

cincel_status cincel_plan_describe_timing(const cincel_plan *plan, cincel_plan_timing *out)
{
    if (!plan || !out)
        return cincel_fail(CINCEL_INVALID_ARGUMENT, "timing: %s is NULL", plan ? "out" : "plan");
    return cincel_struct_out("timing", &plan->timing, sizeof plan->timing, sizeof plan->timing, out);
}
