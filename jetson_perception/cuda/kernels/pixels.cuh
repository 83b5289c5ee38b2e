// Reads pixels of images as cameras deliver them, one at a time, as 8 bits of blue, green and red.
// Twin: images.to_bgr, which uses OpenCV's cvtColor, bit for bit. Tied by
// test/cuda/test_preprocess_kernel.py.
//
// A reader has the image's first byte, its step (bytes from one row to the next), its size, the
// variant, a number for what differs between encodings of one family, and the first byte of its
// colors where these are a plane of their own. `at(x, y)` takes only pixels inside the image.
#pragma once

struct Pixel {
    int blue, green, red;
};

__device__ inline int clamped(int value, int low, int high) {
    return value < low ? low : (value > high ? high : value);
}

// bgr8, rgb8, bgra8, rgba8: `channels` bytes per pixel, red before blue if red_first is not 0.
template <int channels>
struct Interleaved {
    const unsigned char* bytes;
    int step, width, height, red_first;
    const unsigned char* no_colors;

    __device__ Pixel at(int x, int y) const {
        const unsigned char* pixel = bytes + size_t(y) * step + channels * x;
        const int first = pixel[0], green = pixel[1], last = pixel[2];
        return red_first ? Pixel{last, green, first} : Pixel{first, green, last};
    }
};

// mono8
struct Mono {
    const unsigned char* bytes;
    int step, width, height, unused;
    const unsigned char* no_colors;

    __device__ Pixel at(int x, int y) const {
        const int grey = bytes[size_t(y) * step + x];
        return {grey, grey, grey};
    }
};

// BT.601, limited range, with OpenCV's 20 bits of fraction.
__device__ inline Pixel from_yuv(int y, int u, int v) {
    const int fraction_bits = 20, half = 1 << (fraction_bits - 1);
    const int light = (y > 16 ? y - 16 : 0) * 1220542 + half;  // 1.164 × 2^20
    u -= 128;
    v -= 128;
    return {
        clamped((light + 2116026 * u) >> fraction_bits, 0, 255),               // 2.018
        clamped((light - 852492 * v - 409993 * u) >> fraction_bits, 0, 255),   // 0.813, 0.391
        clamped((light + 1673527 * v) >> fraction_bits, 0, 255),               // 1.596
    };
}

// yuyv: Y U Y V for two pixels; uyvy, if light_second is not 0: U Y V Y.
struct PackedYuv {
    const unsigned char* bytes;
    int step, width, height, light_second;
    const unsigned char* no_colors;

    __device__ Pixel at(int x, int y) const {
        const unsigned char* row = bytes + size_t(y) * step;
        const unsigned char* chroma = row + 4 * (x / 2) + (light_second ? 0 : 1);
        return from_yuv(row[2 * x + (light_second ? 1 : 0)], chroma[0], chroma[2]);
    }
};

// nv12: a plane of Y, and one of U V at half the size, with the same step, wherever that lies; nv21,
// if v_first is not 0: one of V U.
struct SemiPlanarYuv {
    const unsigned char* bytes;
    int step, width, height, v_first;
    const unsigned char* colors;

    __device__ Pixel at(int x, int y) const {
        const unsigned char* chroma = colors + size_t(y / 2) * step + 2 * (x / 2);
        const int light = bytes[size_t(y) * step + x], first = chroma[0], second = chroma[1];
        return v_first ? from_yuv(light, second, first) : from_yuv(light, first, second);
    }
};

// Bayer patterns, interpolated bilinearly; the outermost rows and columns repeat those next to
// them. In each 2×2 pixels, the red one is at column red_at & 1 and row red_at >> 1.
struct Bayer {
    const unsigned char* bytes;
    int step, width, height, red_at;
    const unsigned char* no_colors;

    __device__ Pixel at(int x, int y) const {
        if (width < 3 || height < 3) return {0, 0, 0};
        x = clamped(x, 1, width - 2);
        y = clamped(y, 1, height - 2);
        const unsigned char* here = bytes + size_t(y) * step + x;
        const unsigned char *above = here - step, *below = here + step;
        const bool red_column = (x & 1) == (red_at & 1), red_row = (y & 1) == (red_at >> 1);
        if (red_column != red_row) {  // green
            const int beside = (here[-1] + here[1] + 1) >> 1;
            const int upright = (above[0] + below[0] + 1) >> 1;
            return red_row ? Pixel{upright, here[0], beside} : Pixel{beside, here[0], upright};
        }
        const int green = (above[0] + below[0] + here[-1] + here[1] + 2) >> 2;
        const int diagonal = (above[-1] + above[1] + below[-1] + below[1] + 2) >> 2;
        return red_row ? Pixel{diagonal, green, here[0]} : Pixel{here[0], green, diagonal};
    }
};
