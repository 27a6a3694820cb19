#include "train/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "train/reader.h"

/* --------------------------------------------------------------------------------------------- UTF-8 -- */

enum { CHARACTERS = 0x110000 }; /* code points there are */

static bool is_tail(unsigned char byte) { return (byte & 0xc0) == 0x80; }

/*
 * The character at `at`, of which `left` ≥ 1 bytes follow, into *out; returns its bytes, 0 where there is
 * none: RFC 3629, so neither overlong forms nor surrogates nor anything past U+10FFFF.
 */
static size_t utf8_read(const unsigned char *at, size_t left, uint32_t *out)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char first = at[0];
    const size_t bytes = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (bytes == 0 || first > 0xf4 || bytes > left) return 0;
    uint32_t character = bytes == 1 ? first : first & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if (!is_tail(at[i])) return 0;
        character = character << 6 | (at[i] & 0x3fu);
    }
    const bool surrogate = character >= 0xd800 && character <= 0xdfff;
    if (character < smallest[bytes] || character >= CHARACTERS || surrogate) return 0;
    *out = character;
    return bytes;
}

static size_t utf8_write(uint32_t character, char *out)
{
    static const unsigned char mark[] = {0, 0, 0xc0, 0xe0, 0xf0};
    const size_t bytes = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = bytes - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (character & 0x3f));
        character >>= 6;
    }
    out[0] = (char)(mark[bytes] | character);
    return bytes;
}

/* The next character of a text, or what is wrong with it there. */
static cincel_status next_character(const char *what, const char *text, size_t bytes, size_t *at,
                                    uint32_t *character)
{
    const size_t length = utf8_read((const unsigned char *)text + *at, bytes - *at, character);
    if (length == 0 || *character == 0) {
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: is no text: byte %zu is 0x%02x, %s", what, *at + 1,
                           (unsigned)(unsigned char)text[*at], length ? "NUL" : "no UTF-8");
    }
    *at += length;
    return CINCEL_OK;
}

/* ---------------------------------------------------------------------------------------------- files -- */

cincel_status cincel_text_read(const char *path, char **text, size_t *bytes)
{
    enum { STEP = 1 << 16 };
    struct cincel_reader *reader;
    cincel_status status = cincel_reader_open(path, &reader);
    if (status != CINCEL_OK) return status;
    char *all = NULL;
    size_t size = 0, room = 0, got = STEP;
    while (status == CINCEL_OK && got > 0) {
        if (room - size < STEP) {
            char *grown = realloc(all, room = 2 * room + STEP);
            if (!grown) {
                status = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for %zu bytes", path, room);
                break;
            }
            all = grown;
        }
        status = cincel_reader_some(reader, all + size, room - size, &got);
        if (status == CINCEL_OK) size += got;
    }
    if (status == CINCEL_OK) status = cincel_reader_end(reader);
    cincel_reader_close(reader);
    if (status == CINCEL_OK && size == 0) status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: is empty", path);
    for (size_t at = 0; status == CINCEL_OK && at < size;) {
        uint32_t character;
        status = next_character(path, all, size, &at, &character);
    }
    if (status != CINCEL_OK) {
        free(all);
        return status;
    }
    *text = all;
    *bytes = size;
    return CINCEL_OK;
}

/* ----------------------------------------------------------------------------------------- vocabulary -- */

cincel_status cincel_vocabulary_of(const char *what, const char *text, size_t bytes,
                                   struct cincel_vocabulary *out)
{
    bool *occurs = calloc(CHARACTERS, sizeof *occurs);
    cincel_status status = CINCEL_OK;
    size_t count = 0;
    if (!occurs) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for a vocabulary", what);
    for (size_t at = 0; status == CINCEL_OK && at < bytes;) {
        uint32_t character = 0;
        status = next_character(what, text, bytes, &at, &character);
        if (status != CINCEL_OK) break;
        count += !occurs[character];
        occurs[character] = true;
    }
    if (status == CINCEL_OK && count == 0) status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: is empty", what);
    if (status == CINCEL_OK) {
        *out = (struct cincel_vocabulary){calloc(count, sizeof *out->character), 0};
        if (!out->character)
            status = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for a vocabulary", what);
    }
    for (uint32_t c = 0; status == CINCEL_OK && c < CHARACTERS; c++) {
        if (occurs[c]) out->character[out->count++] = c;
    }
    free(occurs);
    return status;
}

void cincel_vocabulary_free(struct cincel_vocabulary *vocabulary)
{
    free(vocabulary->character);
    *vocabulary = (struct cincel_vocabulary){NULL, 0};
}

static int by_character(const void *a, const void *b)
{
    const uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    return (one > other) - (one < other);
}

cincel_status cincel_vocabulary_encode(const struct cincel_vocabulary *vocabulary, const char *what,
                                       const char *text, size_t bytes, int32_t *tokens, size_t *count)
{
    *count = 0;
    for (size_t at = 0; at < bytes;) {
        const size_t begin = at;
        uint32_t character = 0;
        const cincel_status status = next_character(what, text, bytes, &at, &character);
        if (status != CINCEL_OK) return status;
        const uint32_t *found = bsearch(&character, vocabulary->character, vocabulary->count,
                                        sizeof *vocabulary->character, by_character);
        if (!found) {
            const bool visible = character > ' ' && character != 0x7f;
            return cincel_fail(CINCEL_FORMAT_ERROR,
                               "%s: character %zu is '%.*s' (U+%04X), which the model's text does not have",
                               what, *count + 1, visible ? (int)(at - begin) : 1,
                               visible ? text + begin : " ", (unsigned)character);
        }
        tokens[(*count)++] = (int32_t)(found - vocabulary->character);
    }
    return CINCEL_OK;
}

void cincel_vocabulary_decode(const struct cincel_vocabulary *vocabulary, size_t token,
                              char out[CINCEL_UTF8_BYTES + 1])
{
    out[utf8_write(vocabulary->character[token], out)] = '\0';
}

char *cincel_vocabulary_text(const struct cincel_vocabulary *vocabulary)
{
    char *text = malloc(vocabulary->count * CINCEL_UTF8_BYTES + 1);
    size_t at = 0;
    for (size_t i = 0; text && i < vocabulary->count; i++)
        at += utf8_write(vocabulary->character[i], text + at);
    if (text) text[at] = '\0';
    return text;
}
