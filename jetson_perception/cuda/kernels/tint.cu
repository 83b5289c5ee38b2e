// Draws class masks as pictures: a color for each class, alone or over the image. Twins:
// drawing.py, color_mask and draw_segmentation, bit for bit. Tied by test/cuda/test_tint_kernel.py.
//
// mask     (height, width) uint8: class ids
// target   (height, width, 3) uint8: BGR, contiguous
#include "pixels.cuh"

constexpr int THREADS_ACROSS = 32, THREADS_DOWN = 8;  // per block; each thread handles one pixel
constexpr int PIXEL_VALUES = 256;

__device__ inline bool my_pixel(int width, int height, int* x, int* y) {
    *x = blockIdx.x * THREADS_ACROSS + threadIdx.x;
    *y = blockIdx.y * THREADS_DOWN + threadIdx.y;
    return *x < width && *y < height;
}

// colors   (256, 3) uint8: BGR of each class
extern "C" __global__ void color_classes(
    const unsigned char* mask, int width, int height, const unsigned char* colors,
    unsigned char* target) {
    int x, y;
    if (!my_pixel(width, height, &x, &y)) return;
    const size_t i = size_t(y) * width + x;
    const unsigned char* color = colors + 3 * mask[i];
    for (int c = 0; c < 3; ++c) target[3 * i + c] = color[c];
}

// image    (height rows of `step` bytes), uint8; see pixels.cuh for the family, variant and colors
// tinted   (256, 3, 256) uint8: what each pixel value of each channel becomes under each class
#define TINT(family, Reader)                                                                     \
    extern "C" __global__ void tint_##family(                                                    \
        const unsigned char* bytes, int step, int width, int height, int variant,                \
        const unsigned char* colors, const unsigned char* mask, const unsigned char* tinted,     \
        unsigned char* target) {                                                                 \
        int x, y;                                                                                \
        if (!my_pixel(width, height, &x, &y)) return;                                            \
        const Pixel pixel = Reader{bytes, step, width, height, variant, colors}.at(x, y);        \
        const size_t i = size_t(y) * width + x;                                                  \
        const unsigned char* values = tinted + size_t(mask[i]) * 3 * PIXEL_VALUES;               \
        target[3 * i] = values[pixel.blue];                                                      \
        target[3 * i + 1] = values[PIXEL_VALUES + pixel.green];                                  \
        target[3 * i + 2] = values[2 * PIXEL_VALUES + pixel.red];                                \
    }
TINT(interleaved3, Interleaved<3>)
TINT(interleaved4, Interleaved<4>)
TINT(mono, Mono)
TINT(packed_yuv, PackedYuv)
TINT(semi_planar_yuv, SemiPlanarYuv)
TINT(bayer, Bayer)
