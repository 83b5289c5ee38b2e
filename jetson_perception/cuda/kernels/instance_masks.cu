// The object that each pixel of the source image belongs to, for networks that segment instances.
// Twin: tasks/instance_masks.py instance_ids. Tied by test/cuda/test_instance_masks_kernel.py.
//
// prototypes    (channels, grid_h, grid_w), float32 or float16
// coefficients  (objects, channels), float32, the best object first
// ids           (source_h, source_w), the object's row plus 1, or 0; one byte each, or two if there
//               are more than 255 objects
// header        of the result; bad_prototypes is set if a prototype is not finite and there are
//               objects
//
// An object's logit in a cell is the sum of coefficient × prototype; a pixel's is interpolated
// between four cells. A block makes one tile of the image. It takes the objects whose boxes touch
// the tile, as many at a time as there is room for. For these it first computes the logits in the
// cells around, then finds for each pixel the first object with a logit above 0.
#include "detections.cuh"
#include "floats.cuh"

constexpr int TILE_W = 32, TILE_H = 16;
constexpr int THREADS_DOWN = 8;
constexpr int THREADS = TILE_W * THREADS_DOWN;
constexpr int PIXELS = TILE_H / THREADS_DOWN;     // per thread
constexpr int LOGITS = 2 * TILE_W * 2 * TILE_H;   // room for two cells per pixel and axis

// The cells that the pixels of one axis of a tile need: all from the first to the last or, if the
// grid is finer than the image, two for each pixel.
template <int SIZE>
struct Cells {
    int cell[2 * SIZE];               // of the grid
    int lower[SIZE], upper[SIZE];     // for each pixel, the indices of its two in `cell`
    float share[SIZE];                // weight of the upper one
    int count;
};

// Called by threads 0 … SIZE - 1; needs a barrier before and after.
template <int SIZE>
__device__ inline void find_cells(int thread, int first_pixel, int pixels, const Axis& axis, Cells<SIZE>& cells) {
    if (thread < 0 || thread >= SIZE) return;
    const int here = min(SIZE, pixels - first_pixel);
    int lower[3];  // for this pixel, the tile's first and the tile's last
    double position = 0;
    for (int i = 2; i >= 0; --i) {
        const int pixel = first_pixel + (i == 0 ? min(thread, here - 1) : i == 1 ? 0 : here - 1);
        position = __dadd_rn(__dadd_rn(axis.begin, __dmul_rn(pixel + 0.5, axis.step)), -0.5);
        position = fmin(fmax(position, static_cast<double>(axis.first)), static_cast<double>(axis.last));
        lower[i] = static_cast<int>(floor(position));
    }
    const int upper = min(lower[0] + 1, axis.last), last = min(lower[2] + 1, axis.last);
    const bool all = last - lower[1] < 2 * SIZE;
    cells.share[thread] = static_cast<float>(position - lower[0]);
    cells.lower[thread] = all ? lower[0] - lower[1] : 2 * thread;
    cells.upper[thread] = all ? upper - lower[1] : 2 * thread + 1;
    for (int i = 2 * thread; i < 2 * thread + 2; ++i)
        cells.cell[i] = all ? min(lower[1] + i, last) : i == 2 * thread ? lower[0] : upper;
    if (thread == 0) cells.count = all ? last - lower[1] + 1 : 2 * SIZE;
}

// The first pixel whose center is inside an edge.
__device__ inline int first_inside(float edge) { return static_cast<int>(ceilf(edge - 0.5f)); }

// Writes the objects whose boxes touch the tile to `objects`, in order. Returns how many.
__device__ inline int objects_at(
    const Detected& detected, int left, int top, int right, int bottom, int thread,
    short (&objects)[Detected::CAPACITY]) {
    constexpr int WARPS = THREADS / 32;
    __shared__ int in_warp[WARPS];
    int found = 0;
    for (int start = 0; start < detected.count; start += THREADS) {
        const int i = start + thread;
        bool touches = i < detected.count;
        if (touches) {
            const float4 box = detected.box[i];
            touches = first_inside(box.x) < right && first_inside(box.z) > left &&
                      first_inside(box.y) < bottom && first_inside(box.w) > top;
        }
        const unsigned flags = __ballot_sync(~0u, touches);
        if (thread % 32 == 0) in_warp[thread / 32] = __popc(flags);
        __syncthreads();
        int position = found + __popc(flags & ((1u << thread % 32) - 1));
        for (int warp = 0; warp < WARPS; ++warp) {
            if (warp < thread / 32) position += in_warp[warp];
            found += in_warp[warp];
        }
        if (touches) objects[position] = static_cast<short>(i);
        __syncthreads();
    }
    return found;
}

// Sets bad_prototypes unless all prototypes are finite; the threads of all blocks share the work.
template <typename T>
__device__ inline void check_prototypes(const T* prototypes, int count, int thread, Header* header) {
    const int first = (blockIdx.y * gridDim.x + blockIdx.x) * THREADS + thread;
    const int step = gridDim.x * gridDim.y * THREADS;
    bool finite = true;
    for (int i = first; i < count; i += step) finite = finite && isfinite(widened(prototypes[i]));
    if (!finite) header->bad_prototypes = 1;
}

template <typename T>
__device__ inline void paint_instances(
    const T* prototypes, int channels, int grid_w, int grid_h, const float* coefficients,
    const Detected& detected, const Frame& frame, void* ids, Header* header) {
    __shared__ Cells<TILE_W> columns;
    __shared__ Cells<TILE_H> rows;
    __shared__ short objects[Detected::CAPACITY];
    __shared__ float logits[LOGITS];
    const int source_w = static_cast<int>(frame.source_w), source_h = static_cast<int>(frame.source_h);
    const int tile_x = blockIdx.x * TILE_W, tile_y = blockIdx.y * TILE_H;
    const int thread = threadIdx.y * TILE_W + threadIdx.x;
    if (detected.count) check_prototypes(prototypes, channels * grid_w * grid_h, thread, header);
    find_cells(thread, tile_x, source_w, frame.across, columns);
    find_cells(thread - TILE_W, tile_y, source_h, frame.down, rows);
    const int object_count = objects_at(
        detected, tile_x, tile_y, min(tile_x + TILE_W, source_w), min(tile_y + TILE_H, source_h), thread, objects);
    __syncthreads();

    const int cells = columns.count * rows.count, batch = LOGITS / cells;
    const int x = tile_x + threadIdx.x;
    const int left = columns.lower[threadIdx.x], right = columns.upper[threadIdx.x];
    const float share_x = columns.share[threadIdx.x];
    int id[PIXELS] = {};
    for (int start = 0; start < object_count; start += batch) {
        const int here = min(batch, object_count - start);
        for (int i = thread; i < here * cells; i += THREADS) {
            const int cell = i % cells;
            const float* weights = coefficients + size_t(objects[start + i / cells]) * channels;
            const T* values = prototypes + size_t(rows.cell[cell / columns.count]) * grid_w + columns.cell[cell % columns.count];
            float sum = 0.0f;
            for (int c = 0; c < channels; ++c)
                sum = __fadd_rn(sum, __fmul_rn(weights[c], widened(values[size_t(c) * grid_h * grid_w])));
            logits[i] = sum;
        }
        __syncthreads();
        bool missing = false;
        for (int k = 0; k < PIXELS; ++k) {
            const int slot = threadIdx.y + k * THREADS_DOWN, y = tile_y + slot;
            if (id[k] || x >= source_w || y >= source_h) continue;
            const int upper_row = rows.lower[slot] * columns.count, lower_row = rows.upper[slot] * columns.count;
            for (int i = 0; i < here && !id[k]; ++i) {
                const int object = objects[start + i];
                const float4 box = detected.box[object];
                if (x < first_inside(box.x) || x >= first_inside(box.z)) continue;
                if (y < first_inside(box.y) || y >= first_inside(box.w)) continue;
                const float* upper = logits + i * cells + upper_row;
                const float* lower = logits + i * cells + lower_row;
                const float above = __fadd_rn(__fmul_rn(__fsub_rn(upper[right], upper[left]), share_x), upper[left]);
                const float below = __fadd_rn(__fmul_rn(__fsub_rn(lower[right], lower[left]), share_x), lower[left]);
                if (__fadd_rn(__fmul_rn(__fsub_rn(below, above), rows.share[slot]), above) > 0.0f) id[k] = object + 1;
            }
            missing = missing || !id[k];
        }
        if (!__syncthreads_or(missing)) break;
    }
    if (x >= source_w) return;
    for (int k = 0; k < PIXELS; ++k) {
        const int y = tile_y + threadIdx.y + k * THREADS_DOWN;
        if (y >= source_h) break;
        const size_t pixel = size_t(y) * source_w + x;
        if (detected.count <= 255) {
            static_cast<unsigned char*>(ids)[pixel] = static_cast<unsigned char>(id[k]);
        } else {
            static_cast<unsigned short*>(ids)[pixel] = static_cast<unsigned short>(id[k]);
        }
    }
}

// Grid: the source image's tiles. Block: (TILE_W, THREADS_DOWN).
#define INSTANCE_MASKS(suffix, T)                                                                 \
    extern "C" __global__ void __launch_bounds__(THREADS) paint_instances_##suffix(               \
        const T* prototypes, int channels, int grid_w, int grid_h, const float* coefficients,     \
        const Detected* detected, const Frame* frame, void* ids, Header* header) {                \
        paint_instances(                                                                          \
            prototypes, channels, grid_w, grid_h, coefficients, *detected, *frame, ids, header);  \
    }
INSTANCE_MASKS(float32, float)
INSTANCE_MASKS(float16, __half)
