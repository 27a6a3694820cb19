#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include "cli/image_formats.h"
#include "core/status.h"

/*
 * libjpeg reports errors by a function that must not return; its own would print and exit. All that
 * changes between setjmp and longjmp lives here, outside of the function that calls setjmp.
 */
struct jpeg {
    struct jpeg_error_mgr manager; /* first: libjpeg hands out its address */
    struct jpeg_decompress_struct decoder;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
    struct image image;
    cincel_status status;
};

static void fail(j_common_ptr decoder)
{
    struct jpeg *jpeg = (struct jpeg *)decoder->err;
    jpeg->manager.format_message(decoder, jpeg->text);
    longjmp(jpeg->back, 1);
}

/* Level −1 means damaged data that libjpeg would fill in: a guess at a damaged picture helps nobody. */
static void message(j_common_ptr decoder, int level)
{
    if (level < 0) fail(decoder);
}

/* False where libjpeg gave up: jpeg->text says why. */
static bool decode(struct jpeg *jpeg, const char *path, const uint8_t *bytes, size_t size)
{
    if (setjmp(jpeg->back)) return false;
    struct jpeg_decompress_struct *const decoder = &jpeg->decoder;
    jpeg_create_decompress(decoder);
    jpeg_mem_src(decoder, bytes, (unsigned long)size);
    jpeg_read_header(decoder, TRUE);
    jpeg->status = image_allocate(path, decoder->image_width, decoder->image_height, &jpeg->image);
    if (jpeg->status != CINCEL_OK) return true;
    decoder->out_color_space = JCS_GRAYSCALE;
    jpeg_start_decompress(decoder);
    while (decoder->output_scanline < decoder->output_height) {
        JSAMPROW row = jpeg->image.grey + (size_t)decoder->output_scanline * (size_t)jpeg->image.width;
        jpeg_read_scanlines(decoder, &row, 1);
    }
    jpeg_finish_decompress(decoder);
    return true;
}

cincel_status image_read_jpeg(const char *path, const uint8_t *bytes, size_t size, struct image *out)
{
    struct jpeg jpeg;
    memset(&jpeg, 0, sizeof jpeg);
    jpeg.decoder.err = jpeg_std_error(&jpeg.manager);
    jpeg.manager.error_exit = fail;
    jpeg.manager.emit_message = message;
    if (!decode(&jpeg, path, bytes, size))
        jpeg.status = cincel_fail(CINCEL_FORMAT_ERROR, "%s: JPEG damaged: %s", path, jpeg.text);
    jpeg_destroy_decompress(&jpeg.decoder);
    if (jpeg.status == CINCEL_OK)
        *out = jpeg.image;
    else
        image_free(&jpeg.image);
    return jpeg.status;
}
