/*
 * Text as tokens. A vocabulary is a set of characters (Unicode code points, read and written as UTF-8); token
 * t is the t-th of them in ascending order of their code points.
 */
#ifndef CINCEL_TRAIN_TEXT_H
#define CINCEL_TRAIN_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "cincel/train.h"

/* A file's text, which must be UTF-8 without NUL and not empty; for the caller to free. Plain or .gz. */
cincel_status cincel_text_read(const char *path, char **text, size_t *bytes);

struct cincel_vocabulary {
    uint32_t *character; /* [count], ascending */
    size_t count;
};

/* The characters that occur in a text; `what` names it in messages. Release with _free. */
cincel_status cincel_vocabulary_of(const char *what, const char *text, size_t bytes,
                                   struct cincel_vocabulary *out);
void cincel_vocabulary_free(struct cincel_vocabulary *vocabulary);

/* tokens [bytes] takes what the text comes to, *count tokens. A character the vocabulary does not have is a
   format error that names it, its place and `what`. */
cincel_status cincel_vocabulary_encode(const struct cincel_vocabulary *vocabulary, const char *what,
                                       const char *text, size_t bytes, int32_t *tokens, size_t *count);

/* The token's character as UTF-8, ended by NUL; token < count. */
enum { CINCEL_UTF8_BYTES = 4 };
void cincel_vocabulary_decode(const struct cincel_vocabulary *vocabulary, size_t token,
                              char out[CINCEL_UTF8_BYTES + 1]);

/* All characters in the order of their tokens, as UTF-8 ended by NUL; for the caller to free, NULL: no
 * memory. */
char *cincel_vocabulary_text(const struct cincel_vocabulary *vocabulary);

#endif
