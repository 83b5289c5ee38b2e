// Turns an image of any encoding into an input tensor: color conversion, bilinear resize, padding
// and normalization in one launch. Twin: images.to_bgr and tasks/preprocess.py, Preprocessor, bit
// for bit. Tied by test/cuda/test_preprocess_kernel.py.
//
// image    (image_h rows of `step` bytes), uint8; see pixels.cuh for the family, variant and colors
// region   the source: source_w × source_h pixels of the image, from (region_left, region_top) on. No
//          pixel outside of it is used, but for what a pattern needs to give the region's own.
// target   (channels, network_h, network_w), or (network_h, network_w, channels) if channels_last is
//          not 0; float32, float16, int32 or uint8, contiguous, colors in the network's order. One
//          channel is gray, a fourth an opaque alpha.
// table    (channels × 256 + channels) of the target's type: for each channel, what each pixel value
//          becomes; then for each channel, the padding. The kernel only moves these values and never
//          computes with them, so it treats all types as integers of their size.
//
// The content, content_w × content_h, lies at (left, top) in the target; one of its pixels covers
// step_x × step_y source pixels.
#include "pixels.cuh"
#include "taps.cuh"

constexpr int TILE = 32;         // pixels of the target per block, across and down
constexpr int THREADS_DOWN = 8;  // each thread handles TILE / THREADS_DOWN pixels of a column
constexpr int PIXEL_VALUES = 256;
constexpr int MOST_CHANNELS = 4;

// OpenCV interpolates bytes with integers: weights have 11 fraction bits, each rounded to even.
struct IntegerTaps {
    int first, second, first_weight, second_weight;
};

__device__ inline IntegerTaps in_integers(const Taps& taps) {
    return {
        taps.first,
        taps.second,
        static_cast<int>(rintf((1.0f - taps.weight) * 2048.0f)),
        static_cast<int>(rintf(taps.weight * 2048.0f)),
    };
}

__device__ inline int across(int left, int right, const IntegerTaps& column) {
    return left * column.first_weight + right * column.second_weight;
}

__device__ inline int down(int upper, int lower, const IntegerTaps& row) {
    const int sum = (((upper >> 4) * row.first_weight) >> 16) + (((lower >> 4) * row.second_weight) >> 16);
    return clamped((sum + 2) >> 2, 0, 255);
}

template <typename Reader>
__device__ inline Pixel interpolated(
    const Reader& image, int region_left, int region_top, const IntegerTaps& column,
    const IntegerTaps& row) {
    const int first_x = region_left + column.first, second_x = region_left + column.second;
    const int first_y = region_top + row.first, second_y = region_top + row.second;
    const Pixel upper_left = image.at(first_x, first_y);
    const Pixel upper_right = image.at(second_x, first_y);
    const Pixel lower_left = image.at(first_x, second_y);
    const Pixel lower_right = image.at(second_x, second_y);
    return {
        down(across(upper_left.blue, upper_right.blue, column),
             across(lower_left.blue, lower_right.blue, column), row),
        down(across(upper_left.green, upper_right.green, column),
             across(lower_left.green, lower_right.green, column), row),
        down(across(upper_left.red, upper_right.red, column),
             across(lower_left.red, lower_right.red, column), row),
    };
}

// As OpenCV's BGR2GRAY: weights with 15 fraction bits.
__device__ inline int gray(const Pixel& pixel) {
    return (pixel.blue * 3735 + pixel.green * 19235 + pixel.red * 9798 + (1 << 14)) >> 15;
}

template <typename Reader, typename Stored>
__device__ inline void preprocess(
    const Reader& image, int region_left, int region_top, int source_w, int source_h,
    Stored* target, int network_w, int network_h, int content_w, int content_h, int left, int top,
    double step_x, double step_y, const Stored* table, int red_first, int channels,
    int channels_last) {
    __shared__ Stored values[MOST_CHANNELS * PIXEL_VALUES];
    __shared__ IntegerTaps columns[TILE], rows[TILE];
    const int tile_x = blockIdx.x * TILE, tile_y = blockIdx.y * TILE;
    const int thread = threadIdx.y * TILE + threadIdx.x;
    for (int i = thread; i < channels * PIXEL_VALUES; i += TILE * THREADS_DOWN) values[i] = table[i];
    if (thread < TILE) {
        columns[thread] = in_integers(column_taps(tile_x + thread - left, step_x, 0.0, source_w));
    } else if (thread < 2 * TILE) {
        const int i = thread - TILE;
        rows[i] = in_integers(row_taps(tile_y + i - top, step_y, 0.0, source_h));
    }
    __syncthreads();

    const int x = tile_x + threadIdx.x;
    if (x >= network_w) return;
    const bool column_has_content = x >= left && x < left + content_w;
    const size_t plane = channels_last ? 1 : size_t(network_h) * network_w;
    const int across = channels_last ? channels : 1;
    for (int i = threadIdx.y; i < TILE && tile_y + i < network_h; i += THREADS_DOWN) {
        const int y = tile_y + i;
        Stored* out = target + (size_t(y) * network_w + x) * across;
        if (column_has_content && y >= top && y < top + content_h) {
            const Pixel pixel =
                interpolated(image, region_left, region_top, columns[threadIdx.x], rows[i]);
            if (channels == 1) {
                out[0] = values[gray(pixel)];
                continue;
            }
            out[0] = values[red_first ? pixel.red : pixel.blue];
            out[plane] = values[PIXEL_VALUES + pixel.green];
            out[2 * plane] = values[2 * PIXEL_VALUES + (red_first ? pixel.blue : pixel.red)];
            if (channels == MOST_CHANNELS) out[3 * plane] = values[3 * PIXEL_VALUES];
        } else {
            for (int c = 0; c < channels; ++c) out[c * plane] = table[channels * PIXEL_VALUES + c];
        }
    }
}

// Grid: the target's tiles. Block: (TILE, THREADS_DOWN).
#define PREPROCESS(name, Reader, Stored)                                                          \
    extern "C" __global__ void __launch_bounds__(TILE* THREADS_DOWN) name(                        \
        const unsigned char* bytes, int step, int image_w, int image_h, int variant,              \
        const unsigned char* colors, int region_left, int region_top, int source_w,               \
        int source_h, Stored* target, int network_w, int network_h, int content_w, int content_h, \
        int left, int top, double step_x, double step_y, const Stored* table, int red_first,      \
        int channels, int channels_last) {                                                        \
        const Reader image{bytes, step, image_w, image_h, variant, colors};                       \
        preprocess(image, region_left, region_top, source_w, source_h, target, network_w,         \
                   network_h, content_w, content_h, left, top, step_x, step_y, table, red_first,  \
                   channels, channels_last);                                                      \
    }
#define PREPROCESS_FAMILY(family, Reader)                             \
    PREPROCESS(preprocess_##family##_float32, Reader, unsigned int)   \
    PREPROCESS(preprocess_##family##_float16, Reader, unsigned short) \
    PREPROCESS(preprocess_##family##_int32, Reader, unsigned int)     \
    PREPROCESS(preprocess_##family##_uint8, Reader, unsigned char)

PREPROCESS_FAMILY(interleaved3, Interleaved<3>)
PREPROCESS_FAMILY(interleaved4, Interleaved<4>)
PREPROCESS_FAMILY(mono, Mono)
PREPROCESS_FAMILY(packed_yuv, PackedYuv)
PREPROCESS_FAMILY(semi_planar_yuv, SemiPlanarYuv)
PREPROCESS_FAMILY(bayer, Bayer)
