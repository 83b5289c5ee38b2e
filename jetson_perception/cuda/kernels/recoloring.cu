// Recolors NV12 in place, from a video's matrix and range to BT.601 with limited range. Twin:
// images/video_colors.py, Recoloring.apply, bit for bit. Tied by test/cuda/test_recoloring_kernel.py.
//
// One thread for each pair of colors, and its four pixels.
//
// nv12     (height × 3/2 rows of `step` bytes) uint8; width and height are even
// black    the brightness of black; the others are coefficients with BITS of fraction

constexpr int BITS = 14;
constexpr int THREADS_ACROSS = 32, THREADS_DOWN = 8;

__device__ inline unsigned char rounded(int sum, int zero) {
    const int value = ((sum + (1 << (BITS - 1))) >> BITS) + zero;
    return static_cast<unsigned char>(value < 0 ? 0 : value > 255 ? 255 : value);
}

extern "C" __global__ void __launch_bounds__(THREADS_ACROSS * THREADS_DOWN) recolor_nv12(
    unsigned char* nv12, int step, int width, int height, int black, int yy, int yu, int yv, int uu,
    int uv, int vu, int vv) {
    const int x = 2 * (blockIdx.x * THREADS_ACROSS + threadIdx.x);
    const int y = 2 * (blockIdx.y * THREADS_DOWN + threadIdx.y);
    if (x >= width || y >= height) return;
    unsigned char* colors = nv12 + size_t(height + y / 2) * step + x;
    const int u = colors[0] - 128, v = colors[1] - 128;
    const int of_colors = yu * u + yv * v;
    for (int row = 0; row < 2; ++row) {
        unsigned char* luma = nv12 + size_t(y + row) * step + x;
        luma[0] = rounded(yy * (luma[0] - black) + of_colors, 16);
        luma[1] = rounded(yy * (luma[1] - black) + of_colors, 16);
    }
    colors[0] = rounded(uu * u + uv * v, 128);
    colors[1] = rounded(vu * u + vv * v, 128);
}
