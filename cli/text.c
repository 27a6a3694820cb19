#include "cli/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"

void text_free(struct run_text *text) { cincel_vocabulary_free(&text->vocabulary); }

/* The whole file as tokens, for the caller to free. With `learn` the vocabulary is its own. */
static cincel_status read_tokens(const char *path, bool learn, struct cincel_vocabulary *vocabulary,
                                 int32_t **tokens, size_t *count)
{
    char *text = NULL;
    size_t bytes = 0;
    int32_t *all = NULL;
    cincel_status status = cincel_text_read(path, &text, &bytes);
    if (status == CINCEL_OK && learn) status = cincel_vocabulary_of(path, text, bytes, vocabulary);
    if (status == CINCEL_OK) {
        all = malloc(bytes * sizeof *all);
        if (!all) status = cincel_fail(CINCEL_OUT_OF_MEMORY, "%s: no memory for its characters", path);
    }
    if (status == CINCEL_OK) status = cincel_vocabulary_encode(vocabulary, path, text, bytes, all, count);
    free(text);
    if (status == CINCEL_OK)
        *tokens = all;
    else
        free(all);
    return status;
}

cincel_status text_open_training(const char *path, int steps, struct run_text *text, cincel_dataset **train,
                                 cincel_dataset **validation)
{
    int32_t *tokens;
    size_t count;
    const cincel_status status = read_tokens(path, true, &text->vocabulary, &tokens, &count);
    if (status != CINCEL_OK) return status;
    const size_t last = count / 10;
    const int classes = (int)text->vocabulary.count;
    cincel_dataset *a = NULL, *b = NULL;
    cincel_status made = CINCEL_OK;
    if (last <= (size_t)steps) {
        made =
            cincel_fail(CINCEL_FORMAT_ERROR,
                        "%s: %zu characters; a tenth of them, to validate on, is no sample of %d steps and "
                        "the character behind it",
                        path, count, steps);
    }
    if (made == CINCEL_OK) made = cincel_dataset_tokens(tokens, count - last, steps, classes, &a);
    if (made == CINCEL_OK) made = cincel_dataset_tokens(tokens + (count - last), last, steps, classes, &b);
    free(tokens);
    if (made != CINCEL_OK) {
        cincel_dataset_destroy(a);
        return made;
    }
    *train = a;
    *validation = b;
    return CINCEL_OK;
}

cincel_status text_open(const char *path, const struct run_text *text, int steps, cincel_dataset **out)
{
    struct cincel_vocabulary vocabulary = text->vocabulary; /* only read */
    int32_t *tokens;
    size_t count;
    cincel_status status = read_tokens(path, false, &vocabulary, &tokens, &count);
    if (status != CINCEL_OK) return status;
    if (count <= (size_t)steps) {
        status = cincel_fail(CINCEL_FORMAT_ERROR,
                             "%s: %zu characters, the model's sample and the one behind it take %d", path,
                             count, steps + 1);
    } else {
        status = cincel_dataset_tokens(tokens, count, steps, (int)vocabulary.count, out);
    }
    free(tokens);
    return status;
}

json_t *text_to_json(const struct run_text *text)
{
    char *all = cincel_vocabulary_text(&text->vocabulary);
    json_t *json = all ? json_pack("{s:s}", "vocabulary", all) : NULL;
    free(all);
    return json;
}

cincel_status text_from_json(const char *path, const json_t *json, int classes, struct run_text *out)
{
    const char *all = json_string_value(json_object_get(json, "vocabulary"));
    if (!all) return cincel_fail(CINCEL_FORMAT_ERROR, "%s: text.vocabulary is no string", path);
    struct run_text text;
    const cincel_status status = cincel_vocabulary_of(path, all, strlen(all), &text.vocabulary);
    if (status != CINCEL_OK) return status;
    if (text.vocabulary.count != (size_t)classes) {
        const size_t count = text.vocabulary.count;
        text_free(&text);
        return cincel_fail(CINCEL_FORMAT_ERROR, "%s: text.vocabulary has %zu characters, classes is %d", path,
                           count, classes);
    }
    *out = text;
    return CINCEL_OK;
}
