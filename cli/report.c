#include "cli/report.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/tuning.h"

const char *report_escape(const char *text, char *out, size_t size)
{
    static const char special[] = "&<>\"'";
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    size_t used = 0;
    for (; *text; text++) {
        const char *at = strchr(special, *text);
        const char plain[2] = {*text, '\0'}, *piece = at ? names[at - special] : plain;
        const size_t length = strlen(piece);
        if (used + length >= size) break;
        memcpy(out + used, piece, length);
        used += length;
    }
    out[used] = '\0';
    return out;
}

/* Passes have a colour each (Okabe and Ito's, which the colour-blind can tell apart). */
static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>cincel: tuned problems</title>\n<style>\n"
    ":root { --ink: #1c1f24; --faint: #68707c; --line: #dfe3e8; --ground: #ffffff; --card: #f6f7f9;\n"
    "  --p0: #0072b2; --p1: #c25e00; --p2: #007a59; --p3: #a8457c; }\n"
    "@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --faint: #9aa3af; --line: #333a44;\n"
    "  --ground: #14171b; --card: #1d2127; --p0: #56b4e9; --p1: #f0a640; --p2: #35c79c; --p3: #e39ac1; } }\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0 auto; max-width: 64rem; padding: 1rem; background: var(--ground); color: var(--ink);\n"
    "  font: 16px/1.5 system-ui, sans-serif; }\n"
    "h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }\n"
    "p { margin: .5rem 0; } .faint, .label, svg text { color: var(--faint); fill: var(--faint); }\n"
    ".facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .5rem; }\n"
    ".facts div { background: var(--card); border-radius: .5rem; padding: .5rem .75rem; }\n"
    ".facts b { display: block; font-size: 1.25rem; }\n"
    ".chart { display: block; width: 100%; height: auto; } .narrow { display: none; }\n"
    "svg text { font: 12px system-ui, sans-serif; stroke: var(--ground); stroke-width: 3; paint-order: "
    "stroke; } .grid { stroke: var(--line); fill: none; }\n"
    ".roof { stroke: var(--ink); stroke-width: 2; fill: none; }\n"
    ".one { stroke-width: 1; } .cache { stroke-dasharray: 5 4; stroke-width: 1.2; }\n"
    ".p0 { --p: var(--p0); } .p1 { --p: var(--p1); } .p2 { --p: var(--p2); } .p3 { --p: var(--p3); }\n"
    ".gain { stroke: var(--p); stroke-width: 1.5; } .before { fill: var(--ground); stroke: var(--p); }\n"
    ".after { fill: var(--p); } .key { display: inline-block; margin-right: 1rem; white-space: nowrap; }\n"
    ".key i { display: inline-block; width: .7rem; height: .7rem; border-radius: 50%; background: var(--p); "
    "}\n"
    ".key i.ring { background: none; border: 1.5px solid var(--faint); }\n"
    ".key i.disc { background: var(--faint); }\n"
    ".row { border-top: 1px solid var(--line); padding: .6rem 0; display: grid; gap: 0 1rem;\n"
    "  grid-template-columns: 15rem 1fr 6rem; }\n"
    ".row .choice { grid-column: 1 / -1; font: 12px/1.4 ui-monospace, monospace; color: var(--faint);\n"
    "  overflow-wrap: anywhere; }\n"
    ".row .gainx { text-align: right; font-variant-numeric: tabular-nums; font-weight: 600; }\n"
    ".bars { display: grid; gap: 3px; align-content: center; font-size: .8rem; }\n"
    ".bars span { display: block; height: 1.1rem; border-radius: 3px; padding-left: .4rem; line-height: "
    "1.1rem;\n"
    "  white-space: nowrap; }\n"
    ".bars .b { background: var(--line); } .bars .a { background: var(--p); color: var(--ground); }\n"
    "@media (max-width: 40rem) { .wide { display: none; } .narrow { display: block; }\n"
    "  .row { grid-template-columns: 1fr 4rem; } .row .bars { grid-column: 1 / -1; grid-row: 2; } }\n"
    "</style>\n</head>\n<body>\n";

static void write_facts(struct cincel_atomic_file *file, const struct report *r)
{
    char cpu[128], key[160];
    double tuned = 0.0, untuned = 0.0, best = 0.0;
    for (size_t i = 0; i < r->entries; i++) {
        const struct report_entry *e = &r->entry[i];
        tuned += e->uses * e->seconds;
        untuned += e->uses * e->default_seconds;
        if (e->default_seconds / e->seconds > best) best = e->default_seconds / e->seconds;
    }
    cincel_atomic_file_printf(
        file,
        "<h1>Tuned problems</h1>\n<p class=\"faint\">%s, %s, %d thread%s; profile %s; cincel "
        "%s</p>\n",
        report_escape(r->machine.cpu, cpu, sizeof cpu), r->machine.isa, r->machine.threads,
        r->machine.threads == 1 ? "" : "s", report_escape(r->machine.key, key, sizeof key), cincel_version());
    cincel_atomic_file_printf(
        file,
        "<div class=\"facts\"><div>all together<b>%.2fx</b>%.4g → %.4g ms</div><div>largest "
        "gain<b>%.2fx</b>of %zu "
        "problems</div><div>FMA peak<b>%.0f</b>GFLOP/s</div><div>memory, read<b>%.0f</b>GB/s</div></div>\n",
        tuned > 0.0 ? untuned / tuned : 1.0, 1e3 * untuned, 1e3 * tuned, best, r->entries,
        r->peaks.gflops_team, r->peaks.read_team[r->peaks.points - 1]);
}

static void write_key(struct cincel_atomic_file *file, const struct report *r)
{
    cincel_atomic_file_printf(file, "<p>");
    for (int pass = 0; pass <= CINCEL_BACKWARD; pass++) {
        bool there = false;
        for (size_t i = 0; i < r->entries; i++) there = there || r->entry[i].pass == pass;
        if (there)
            cincel_atomic_file_printf(file, "<span class=\"key p%d\"><i></i> %s</span>", pass,
                                      tuning_pass_names[pass]);
    }
    cincel_atomic_file_printf(
        file, "<span class=\"key\"><i class=\"ring\"></i> untuned</span><span class=\"key\"><i "
              "class=\"disc\"></i> tuned</span></p>\n");
}

/* Default against tuned: bars, the longer one fills the row. */
static void write_entry(struct cincel_atomic_file *file, const struct report *r, const struct report_entry *e)
{
    char name[128], choice[512], speed[64];
    const double longest = e->default_seconds > e->seconds ? e->default_seconds : e->seconds;
    const double gflops = 1e-9 * e->operations / e->seconds;
    snprintf(speed, sizeof speed, "%.0f GFLOP/s, %.0f %% of peak", gflops,
             100.0 * gflops / (r->peaks.gflops_1 * e->threads));
    cincel_atomic_file_printf(
        file,
        "<div class=\"row p%d\"><div><b>%s</b> %s<br><span class=\"faint\">%d thread%s, "
        "%s</span></div>",
        e->pass, report_escape(e->name, name, sizeof name), tuning_pass_names[e->pass], e->threads,
        e->threads == 1 ? "" : "s", speed);
    cincel_atomic_file_printf(
        file,
        "<div class=\"bars\"><span class=\"b\" style=\"width:%.1f%%\">%.4g ms "
        "untuned</span><span class=\"a\" style=\"width:%.1f%%\">%.4g ms tuned</span></div>",
        100.0 * e->default_seconds / longest, 1e3 * e->default_seconds, 100.0 * e->seconds / longest,
        1e3 * e->seconds);
    cincel_atomic_file_printf(file, "<div class=\"gainx\">%.2fx</div><div class=\"choice\">%s</div></div>\n",
                              e->default_seconds / e->seconds,
                              report_escape(e->choice, choice, sizeof choice));
}

cincel_status report_write(const char *path, const struct report *r)
{
    struct cincel_atomic_file *file;
    const cincel_status status = cincel_atomic_file_create(path, &file);
    if (status != CINCEL_OK) return status;
    cincel_atomic_file_write(file, head, sizeof head - 1);
    write_facts(file, r);
    cincel_atomic_file_printf(file, "<h2>Roofline</h2>\n");
    write_key(file, r);
    report_write_roofline(file, r, "wide", 940, 520);
    report_write_roofline(file, r, "narrow", 380, 440);
    cincel_atomic_file_printf(
        file, "<p class=\"faint\">Operations are the problem's: two a multiply-add, one a cell of a "
              "pooling window. Algorithms that need fewer (Winograd) stand above the roof.</p>\n"
              "<h2>Default against tuned</h2>\n");
    for (size_t i = 0; i < r->entries; i++) write_entry(file, r, &r->entry[i]);
    cincel_atomic_file_printf(file, "</body>\n</html>\n");
    return cincel_atomic_file_commit(file);
}
