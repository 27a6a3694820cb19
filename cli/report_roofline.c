/*
 * The roofline (Williams, Waterman & Patterson, 2009): speed over operations a byte, both logarithmic. The
 * roofs are the machine's measured peaks: FMA, and reading from L2 and from memory. A problem is a ring where
 * it was untuned, and a disc where it is tuned; algorithms with less arithmetic (Winograd) stand above the
 * roof, since the operations are those of the problem.
 */
#include <math.h>
#include <stdio.h>

#include "cli/report.h"
#include "cli/tuning.h"

struct chart {
    struct cincel_atomic_file *file;
    const struct report *r;
    double left, right, top, bottom;     /* of the plot, in pixels */
    double x_low, x_high, y_low, y_high; /* log2 of operations a byte and of GFLOP/s */
};

static double x_at(const struct chart *c, double intensity)
{
    return c->left + (log2(intensity) - c->x_low) / (c->x_high - c->x_low) * (c->right - c->left);
}

static double y_at(const struct chart *c, double gflops)
{
    return c->bottom - (log2(gflops) - c->y_low) / (c->y_high - c->y_low) * (c->bottom - c->top);
}

static double intensity_of(const struct report_entry *e) { return e->operations / e->bytes; }
static double speed_of(const struct report_entry *e, double seconds)
{
    return 1e-9 * e->operations / seconds;
}

/* Room for all points and for the ridge where the roofs meet; whole powers of two. */
static void find_ranges(struct chart *c)
{
    const cincel_machine_peaks *p = &c->r->peaks;
    const double ridge = p->gflops_team / p->read_team[p->points - 1];
    c->x_low = log2(ridge) - 3.0;
    c->x_high = log2(ridge) + 3.0;
    c->y_low = log2(p->gflops_1) - 3.0;
    c->y_high = log2(p->gflops_team) + 0.4;
    for (size_t i = 0; i < c->r->entries; i++) {
        const struct report_entry *e = &c->r->entry[i];
        c->x_low = fmin(c->x_low, log2(intensity_of(e)) - 0.5);
        c->x_high = fmax(c->x_high, log2(intensity_of(e)) + 0.5);
        c->y_low = fmin(c->y_low, log2(speed_of(e, e->default_seconds)) - 0.5);
        c->y_high = fmax(c->y_high, log2(speed_of(e, e->seconds)) + 0.5);
    }
    c->x_low = floor(c->x_low);
    c->x_high = ceil(c->x_high);
    c->y_low = floor(c->y_low);
}

/* ---------------------------------------------------------------------------------------- axes -- */

/* "0.25", "4", "1024" */
static void number_text(double power, char *out, size_t size)
{
    const double value = exp2(power);
    snprintf(out, size, value < 0.1 ? "%.3g" : "%.4g", value);
}

/* Ticks at powers of two, so few that they stand apart. */
static double tick_step(double range, double pixels, double each)
{
    double step = 1.0;
    while (range / step * each > pixels) step += 1.0;
    return step;
}

static void write_axes(const struct chart *c)
{
    char text[32];
    const double x_step = tick_step(c->x_high - c->x_low, c->right - c->left, 44.0);
    const double y_step = tick_step(c->y_high - c->y_low, c->bottom - c->top, 26.0);
    for (double power = ceil(c->x_low / x_step) * x_step; power <= c->x_high; power += x_step) {
        const double x = x_at(c, exp2(power));
        number_text(power, text, sizeof text);
        cincel_atomic_file_printf(c->file,
                                  "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>"
                                  "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                                  x, c->top, c->bottom, x, c->bottom + 17.0, text);
    }
    for (double power = ceil(c->y_low / y_step) * y_step; power <= c->y_high; power += y_step) {
        const double y = y_at(c, exp2(power));
        number_text(power, text, sizeof text);
        cincel_atomic_file_printf(c->file,
                                  "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>"
                                  "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                                  c->left, y, c->right, c->left - 6.0, y + 4.0, text);
    }
    cincel_atomic_file_printf(c->file,
                              "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">operations a byte</text>\n"
                              "<text x=\"%.1f\" y=\"%.1f\">GFLOP/s</text>\n",
                              (c->left + c->right) / 2.0, c->bottom + 36.0, 4.0, c->top - 9.0);
}

/* --------------------------------------------------------------------------------------- roofs -- */

/* From where the slope enters the plot up to the flat part; `label` NULL: none. */
static void write_slope(const struct chart *c, const char *class, const char *label, double gbytes,
                        double gflops)
{
    const double low = fmax(exp2(c->x_low), exp2(c->y_low) / gbytes), ridge = gflops / gbytes;
    if (low >= ridge) return;
    const double x0 = x_at(c, low), y0 = y_at(c, low * gbytes), x1 = x_at(c, ridge), y1 = y_at(c, gflops);
    cincel_atomic_file_printf(c->file, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>", class, x0, y0, x1,
                              y1);
    if (label) /* above the line, a little way along it */
        cincel_atomic_file_printf(c->file,
                                  "<text transform=\"translate(%.1f %.1f) rotate(%.1f)\" y=\"-6\">%s %.0f "
                                  "GB/s</text>",
                                  x0 + 0.08 * (x1 - x0), y0 + 0.08 * (y1 - y0),
                                  atan2(y1 - y0, x1 - x0) * 180.0 / M_PI, label, gbytes);
    cincel_atomic_file_printf(c->file, "\n");
}

/* Its label stands where it begins: points gather at the other end. */
static void write_flat(const struct chart *c, const char *class, int threads, double gbytes, double gflops)
{
    const double x = x_at(c, fmax(gflops / gbytes, exp2(c->x_low))), y = y_at(c, gflops);
    cincel_atomic_file_printf(c->file,
                              "<path class=\"%s\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\">%d "
                              "thread%s: %.0f GFLOP/s</text>\n",
                              class, x, y, c->right, x + 6.0, y - 5.0, threads, threads == 1 ? "" : "s",
                              gflops);
}

/* Reading a working set that fills half of the last cache; 0: not measured. */
static double cache_bandwidth(const struct report *r)
{
    const cincel_machine_peaks *p = &r->peaks;
    const size_t bytes = (r->machine.l3_bytes ? r->machine.l3_bytes : r->machine.l2_bytes) / 2;
    double found = 0.0;
    for (int i = 0; i < p->points && p->working_set[i] <= bytes; i++) found = p->read_team[i];
    return found;
}

static void write_roofs(const struct chart *c)
{
    const cincel_machine_peaks *p = &c->r->peaks;
    const double memory_1 = p->read_1[p->points - 1], memory = p->read_team[p->points - 1];
    const double cache = cache_bandwidth(c->r);
    if (c->r->machine.threads > 1) {
        write_flat(c, "roof one", 1, memory_1, p->gflops_1);
        if (memory_1 < 0.8 * memory) write_slope(c, "roof one", NULL, memory_1, p->gflops_1);
    }
    if (cache > 1.2 * memory)
        write_slope(c, "roof cache", c->r->machine.l3_bytes ? "L3" : "L2", cache, p->gflops_team);
    write_slope(c, "roof", "memory", memory, p->gflops_team);
    write_flat(c, "roof", c->r->machine.threads, memory, p->gflops_team);
}

/* -------------------------------------------------------------------------------------- points -- */

static void write_point(const struct chart *c, const struct report_entry *e)
{
    char name[128], choice[512];
    const double x = x_at(c, intensity_of(e));
    const double before = y_at(c, speed_of(e, e->default_seconds)), after = y_at(c, speed_of(e, e->seconds));
    cincel_atomic_file_printf(
        c->file,
        "<g class=\"p%d\"><title>%s %s, %d thread%s: %.4g ms untuned, %.4g ms tuned (%.2fx), %.4g GFLOP/s; "
        "%s</title>",
        e->pass, report_escape(e->name, name, sizeof name), tuning_pass_names[e->pass], e->threads,
        e->threads == 1 ? "" : "s", 1e3 * e->default_seconds, 1e3 * e->seconds,
        e->default_seconds / e->seconds, speed_of(e, e->seconds),
        report_escape(e->choice, choice, sizeof choice));
    cincel_atomic_file_printf(
        c->file,
        "<path class=\"gain\" d=\"M%.1f %.1fV%.1f\"/><circle class=\"before\" cx=\"%.1f\" "
        "cy=\"%.1f\" r=\"5\"/><circle class=\"after\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/></g>\n",
        x, before, after, x, before, x, after);
}

void report_write_roofline(struct cincel_atomic_file *file, const struct report *r, const char *kind,
                           int width, int height)
{
    struct chart c = {
        .file = file, .r = r, .left = 48.0, .right = width - 20.0, .top = 24.0, .bottom = height - 44.0};
    find_ranges(&c);
    cincel_atomic_file_printf(file,
                              "<svg class=\"chart %s\" viewBox=\"0 0 %d %d\" role=\"img\" "
                              "aria-label=\"Roofline with all tuned problems\">\n",
                              kind, width, height);
    write_axes(&c);
    write_roofs(&c);
    for (size_t i = 0; i < r->entries; i++) write_point(&c, &r->entry[i]);
    cincel_atomic_file_printf(file, "</svg>\n");
}
