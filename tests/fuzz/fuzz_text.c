#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/memory_file.h"
#include "train/text.h"

/* A text that is read comes back from its tokens, byte for byte, and so does its vocabulary. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text;
    size_t length, count, at = 0;
    struct cincel_vocabulary vocabulary, again;
    if (cincel_text_read(memory_file(bytes, size), &text, &length) != CINCEL_OK) return 0;
    int32_t *tokens = malloc(length * sizeof *tokens);
    if (cincel_vocabulary_of("text", text, length, &vocabulary) != CINCEL_OK) abort();
    if (cincel_vocabulary_encode(&vocabulary, "text", text, length, tokens, &count) != CINCEL_OK) abort();
    for (size_t i = 0; i < count; i++) {
        char character[CINCEL_UTF8_BYTES + 1];
        cincel_vocabulary_decode(&vocabulary, (size_t)tokens[i], character);
        const size_t width = strlen(character);
        if (width > length - at || memcmp(text + at, character, width) != 0) abort();
        at += width;
    }
    if (at != length) abort();
    char *all = cincel_vocabulary_text(&vocabulary);
    if (cincel_vocabulary_of("vocabulary", all, strlen(all), &again) != CINCEL_OK) abort();
    if (again.count != vocabulary.count) abort();
    cincel_vocabulary_free(&again);
    cincel_vocabulary_free(&vocabulary);
    free(all);
    free(tokens);
    free(text);
    return 0;
}
