#include "train/csv.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/status.h"
#include "train/reader.h"

enum {
    BUFFER = 1 << 16,
    FIELD_MOST = 4096,     /* bytes: a name or a number */
    COLUMNS_MOST = 1 << 16 /* a sample of more numbers is no line of text */
};

enum ending { END_FIELD, END_RECORD, END_FILE };

struct parser {
    const char *path;
    struct cincel_reader *reader;
    locale_t c_locale;
    size_t line; /* of the next byte, from 1 */
    size_t used, filled;
    size_t length;  /* of field */
    bool quoted;    /* the field was */
    enum ending at; /* what ended it */
    char field[FIELD_MOST + 1];
    char buffer[BUFFER];
};

/* ------------------------------------------------------------------------------------------- fields -- */

static cincel_status fail_line(const struct parser *p, size_t line, const char *problem)
{
    return cincel_fail(CINCEL_FORMAT_ERROR, "%s: line %zu: %s", p->path, line, problem);
}

/* The next byte without taking it, or EOF. */
static cincel_status peek(struct parser *p, int *out)
{
    if (p->used == p->filled) {
        p->used = 0;
        const cincel_status status = cincel_reader_some(p->reader, p->buffer, BUFFER, &p->filled);
        if (status != CINCEL_OK) return status;
    }
    *out = p->filled ? (unsigned char)p->buffer[p->used] : EOF;
    return CINCEL_OK;
}

static void take(struct parser *p) { p->line += p->buffer[p->used++] == '\n'; }

static cincel_status add_byte(struct parser *p, int byte)
{
    if (byte == 0) return fail_line(p, p->line, "holds a zero byte: no text");
    if (p->length == FIELD_MOST) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: line %zu: a field of more than %d bytes", p->path,
                           p->line, FIELD_MOST);
    }
    p->field[p->length++] = (char)byte;
    return CINCEL_OK;
}

/* What stands between quotes; the opening one is taken. */
static cincel_status read_quoted(struct parser *p)
{
    const size_t opened = p->line;
    for (;;) {
        int byte;
        cincel_status status = peek(p, &byte);
        if (status != CINCEL_OK) return status;
        if (byte == EOF) return fail_line(p, opened, "truncated: a quote is opened and never closed");
        take(p);
        if (byte == '"') {
            status = peek(p, &byte);
            if (status != CINCEL_OK || byte != '"') return status;
            take(p);
        }
        status = add_byte(p, byte);
        if (status != CINCEL_OK) return status;
    }
}

static cincel_status read_plain(struct parser *p)
{
    for (;;) {
        int byte;
        cincel_status status = peek(p, &byte);
        if (status != CINCEL_OK || byte == EOF || byte == ',' || byte == '\n') return status;
        if (byte == '"') return fail_line(p, p->line, "a quote inside a field that does not begin with one");
        take(p);
        status = add_byte(p, byte);
        if (status != CINCEL_OK) return status;
    }
}

/* Takes blanks, and the carriage return of a line's end; anything else stays. */
static cincel_status skip_blanks(struct parser *p, int *next)
{
    for (;;) {
        const cincel_status status = peek(p, next);
        if (status != CINCEL_OK || (*next != ' ' && *next != '\t' && *next != '\r')) return status;
        take(p);
    }
}

static cincel_status read_field(struct parser *p)
{
    int next;
    p->length = 0;
    p->quoted = false;
    cincel_status status = skip_blanks(p, &next);
    if (status == CINCEL_OK && next == '"') {
        p->quoted = true;
        take(p);
        status = read_quoted(p);
    } else if (status == CINCEL_OK) {
        status = read_plain(p);
    }
    while (!p->quoted && p->length && strchr(" \t\r", p->field[p->length - 1])) p->length--;
    p->field[p->length] = '\0';
    if (status == CINCEL_OK) status = skip_blanks(p, &next);
    if (status != CINCEL_OK) return status;
    if (next != EOF && next != ',' && next != '\n')
        return fail_line(p, p->line, "text behind a closing quote");
    if (next != EOF) take(p);
    p->at = next == EOF ? END_FILE : next == ',' ? END_FIELD : END_RECORD;
    return CINCEL_OK;
}

/* A decimal number and nothing else: strtod alone would take hexadecimal, "inf" and "nan" as well. */
static bool parse_number(const struct parser *p, float *out)
{
    if (p->length == 0 || strspn(p->field, "+-.0123456789eE") != p->length) return false;
    char *end;
    *out = strtof_l(p->field, &end, p->c_locale);
    return *end == '\0' && isfinite(*out);
}

/* ------------------------------------------------------------------------------------------ records -- */

/* The fields of the first record that is not empty, as text, and its line. */
static cincel_status read_first(struct parser *p, char ***fields, size_t *columns, size_t *line)
{
    size_t room = 0;
    for (;;) {
        if (*columns == 0) *line = p->line;
        cincel_status status = read_field(p);
        if (status != CINCEL_OK) return status;
        if (*columns == 0 && p->at != END_FIELD && p->length == 0 && !p->quoted) {
            if (p->at == END_FILE) return cincel_fail(CINCEL_FORMAT_ERROR, "%s: holds no record", p->path);
            continue; /* an empty line */
        }
        if (*columns == COLUMNS_MOST) {
            return cincel_fail(CINCEL_FORMAT_ERROR, "%s: more than %d columns", p->path, COLUMNS_MOST);
        }
        if (*columns == room) {
            room = room ? 2 * room : 16;
            char **more = realloc(*fields, room * sizeof **fields);
            if (!more) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory", p->path);
            *fields = more;
        }
        char *text = strdup(p->field);
        if (!text) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory", p->path);
        (*fields)[(*columns)++] = text;
        if (p->at != END_FIELD) return CINCEL_OK;
    }
}

/* Room for one more row. */
static cincel_status grow(const struct parser *p, struct cincel_csv *csv, size_t *room)
{
    if (csv->rows < *room) return CINCEL_OK;
    const size_t rows = *room ? 2 * *room : 64;
    size_t bytes;
    float *value = NULL;
    if (cincel_mul(rows, csv->columns * sizeof *value, &bytes)) value = realloc(csv->value, bytes);
    if (!value) {
        return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for %zu rows of %zu numbers", p->path, rows,
                           csv->columns);
    }
    csv->value = value;
    *room = rows;
    return CINCEL_OK;
}

static cincel_status take_number(const struct parser *p, size_t line, size_t column, float *out)
{
    if (parse_number(p, out)) return CINCEL_OK;
    return cincel_fail(CINCEL_FORMAT_ERROR, "%s: line %zu, column %zu: \"%.40s\" is no finite number",
                       p->path, line, column + 1, p->field);
}

static cincel_status fail_length(const struct parser *p, size_t line, size_t found, size_t columns)
{
    return cincel_fail(CINCEL_FORMAT_ERROR, "%s: line %zu: %s%zu fields, the first record has %zu", p->path,
                       line, found > columns ? "more than " : "", found > columns ? columns : found, columns);
}

/* All records from here to the end of the file. */
static cincel_status read_records(struct parser *p, struct cincel_csv *csv, size_t *room)
{
    while (p->at != END_FILE) {
        cincel_status status = grow(p, csv, room);
        if (status != CINCEL_OK) return status;
        const size_t line = p->line;
        float *row = csv->value + csv->rows * csv->columns;
        size_t found = 0;
        bool empty = false;
        do {
            status = read_field(p);
            if (status != CINCEL_OK) return status;
            empty = found == 0 && p->at != END_FIELD && p->length == 0 && !p->quoted;
            if (empty) break;
            if (found == csv->columns) return fail_length(p, line, found + 1, csv->columns);
            status = take_number(p, line, found, &row[found]);
            if (status != CINCEL_OK) return status;
            found++;
        } while (p->at == END_FIELD);
        if (empty) continue;
        if (found != csv->columns) return fail_length(p, line, found, csv->columns);
        csv->rows++;
    }
    return csv->rows ? CINCEL_OK : cincel_fail(CINCEL_FORMAT_ERROR, "%s: holds no row of numbers", p->path);
}

/* The first record's fields as numbers, into row 0; false: one is none. */
static bool first_as_numbers(struct parser *p, char *const *fields, size_t columns, float *row)
{
    for (size_t i = 0; i < columns; i++) {
        p->length = strlen(fields[i]);
        memcpy(p->field, fields[i], p->length + 1);
        if (!parse_number(p, &row[i])) return false;
    }
    return true;
}

static cincel_status read_table(struct parser *p, cincel_csv_header header, struct cincel_csv *csv)
{
    size_t room = 0, line;
    int next;
    cincel_status status = peek(p, &next);
    if (status != CINCEL_OK) return status;
    if (p->filled >= 3 && memcmp(p->buffer, "\xef\xbb\xbf", 3) == 0) p->used = 3; /* byte-order mark */

    status = read_first(p, &csv->name, &csv->columns, &line);
    if (status == CINCEL_OK) status = grow(p, csv, &room);
    if (status != CINCEL_OK) return status;
    const bool numbers = first_as_numbers(p, csv->name, csv->columns, csv->value);
    if (!numbers && header == CINCEL_CSV_HEADER_NO) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: line %zu: \"%.40s\" is no finite number", p->path, line,
                           p->field);
    }
    if (numbers && header != CINCEL_CSV_HEADER_YES) {
        for (size_t i = 0; i < csv->columns; i++) free(csv->name[i]);
        free(csv->name);
        csv->name = NULL;
        csv->rows = 1;
    }
    return read_records(p, csv, &room);
}

cincel_status cincel_csv_read(const char *path, cincel_csv_header header, struct cincel_csv *out)
{
    struct cincel_csv csv = {0, 0, NULL, NULL};
    struct parser *p = calloc(1, sizeof *p);
    if (!p) return cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory to read it", path);
    p->path = path;
    p->line = 1;
    p->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    cincel_status status = CINCEL_OK;
    if (!p->c_locale) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory to read it", path);
    if (status == CINCEL_OK) status = cincel_reader_open(path, &p->reader);
    if (status == CINCEL_OK) status = read_table(p, header, &csv);
    cincel_reader_close(p->reader);
    if (p->c_locale) freelocale(p->c_locale);
    free(p);
    if (status == CINCEL_OK)
        *out = csv;
    else
        cincel_csv_free(&csv);
    return status;
}

void cincel_csv_free(struct cincel_csv *csv)
{
    for (size_t i = 0; csv->name && i < csv->columns; i++) free(csv->name[i]);
    free(csv->name);
    free(csv->value);
    *csv = (struct cincel_csv){0, 0, NULL, NULL};
}

cincel_status cincel_csv_column(const char *path, const struct cincel_csv *csv, const char *wanted,
                                size_t *out)
{
    for (size_t i = 0; csv->name && i < csv->columns; i++) {
        if (strcmp(csv->name[i], wanted) == 0) {
            *out = i;
            return CINCEL_OK;
        }
    }
    char *end;
    errno = 0;
    const unsigned long number = isdigit((unsigned char)wanted[0]) ? strtoul(wanted, &end, 10) : 0;
    if (number >= 1 && number <= csv->columns && !*end && !errno) {
        *out = number - 1;
        return CINCEL_OK;
    }
    char known[256] = "";
    for (size_t i = 0, used = 0; csv->name && i < csv->columns && used < sizeof known; i++) {
        const int wrote = snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : ": ", csv->name[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return cincel_fail(CINCEL_INVALID_ARGUMENT, "%s: no column \"%.80s\" among its %zu%s", path, wanted,
                       csv->columns, known);
}
