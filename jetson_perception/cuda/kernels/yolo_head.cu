// The end of an anchor-free YOLO network in one launch: from the maps of its last convolutions to
// boxes, scores and keypoints of every anchor. Twin: tasks/yolo_head.py decode_head. Tied by
// test/cuda/test_yolo_head_kernel.py.
//
// maps     of each level: 4 × bins values a cell that say how far the left, top, right and bottom
//          edge is, a logit of each class, and extra values; each map (channels, cells), or with
//          channels_last (cells, channels), float32 or float16
// output   (4 + class_count + extra_count, anchors): center x, y, width, height in pixels of the
//          network's input, scores, extra values; float32 or float16
//
// A block does CELLS cells of one level. Values go through shared memory, so that neighbouring
// threads read and write neighbouring addresses in both orders of axes.
#include <cuda_fp16.h>

constexpr int THREADS = 256;
constexpr int CELLS = 64;   // a block's
constexpr int CHUNK = 64;   // channels in shared memory, and 4 × the most bins
constexpr int LEVELS = 4;   // at most

// Where a level's maps begin, in values from `maps`; its cells, anchors and blocks.
struct Level {
    int boxes, scores, extras, width, cells, first_anchor, first_block, stride;
};

struct Head {
    int level_count, bins, class_count, extra_count, keypoint_depth, anchors, channels_last, unused;
    Level levels[LEVELS];
};

__device__ inline float widened(float value) { return value; }
__device__ inline float widened(__half value) { return __half2float(value); }
__device__ inline void narrow(float value, float* to) { *to = value; }
__device__ inline void narrow(float value, __half* to) { *to = __float2half_rn(value); }

__device__ inline float sigmoid(float logit) { return 1.0f / (1.0f + expf(-logit)); }

typedef float Tile[CELLS][CHUNK + 1];  // one more: threads of a warp meet different banks

// Channels `first` to `first + count` of a map at `cells_here` cells from `first_cell` on. For a
// whole block, which may have read the tile before.
template <typename T>
__device__ inline void load(const T* map, int channels, int cells, bool channels_last, int first_cell,
                            int cells_here, int first, int count, Tile& tile) {
    __syncthreads();
    for (int i = threadIdx.x; i < CELLS * count; i += THREADS) {
        const int cell = channels_last ? i / count : i % CELLS;
        const int channel = channels_last ? i % count : i / CELLS;
        if (cell >= cells_here) continue;
        const size_t row = first_cell + cell, value = first + channel;
        tile[cell][channel] = widened(map[channels_last ? row * channels + value : value * cells + row]);
    }
    __syncthreads();
}

// How far an edge is, in cells: the mean of the distribution that the logits are.
__device__ inline float distance(const float* logits, int bins) {
    if (bins == 1) return logits[0];
    float highest = logits[0];
    for (int i = 1; i < bins; ++i) highest = fmaxf(highest, logits[i]);
    float sum = 0.0f, weighted = 0.0f;
    for (int i = 0; i < bins; ++i) {
        const float share = expf(logits[i] - highest);
        sum += share;
        weighted += share * i;
    }
    return weighted / sum;
}

template <typename T, typename Out>
__device__ inline void decode(const T* maps, const Head& head, Out* output) {
    __shared__ Tile tile;
    __shared__ float sides[4][CELLS];
    int index = 0;
    while (index + 1 < head.level_count && int(blockIdx.x) >= head.levels[index + 1].first_block) ++index;
    const Level level = head.levels[index];
    const int first_cell = (blockIdx.x - level.first_block) * CELLS;
    const int here = min(CELLS, level.cells - first_cell);
    const bool last = head.channels_last;
    const int cell = threadIdx.x % CELLS, group = threadIdx.x / CELLS;
    const int x = (first_cell + cell) % level.width, y = (first_cell + cell) / level.width;
    const float stride = level.stride;
    Out* to = output + level.first_anchor + first_cell + cell;

    load(maps + level.boxes, 4 * head.bins, level.cells, last, first_cell, here, 0, 4 * head.bins, tile);
    if (cell < here) sides[group][cell] = distance(&tile[cell][group * head.bins], head.bins);
    __syncthreads();
    if (cell < here) {
        // Groups of threads: center x, y, width, height.
        const int axis = group % 2;
        const float center = (axis ? y : x) + 0.5f;
        const float low = center - sides[axis][cell], high = center + sides[axis + 2][cell];
        narrow((group < 2 ? (low + high) / 2.0f : high - low) * stride, to + size_t(group) * head.anchors);
    }

    for (int first = 0; first < head.class_count; first += CHUNK) {
        const int count = min(CHUNK, head.class_count - first);
        load(maps + level.scores, head.class_count, level.cells, last, first_cell, here, first, count, tile);
        for (int i = group; i < count; i += THREADS / CELLS)
            if (cell < here) narrow(sigmoid(tile[cell][i]), to + size_t(4 + first + i) * head.anchors);
    }

    for (int first = 0; first < head.extra_count; first += CHUNK) {
        const int count = min(CHUNK, head.extra_count - first);
        load(maps + level.extras, head.extra_count, level.cells, last, first_cell, here, first, count, tile);
        for (int i = group; i < count; i += THREADS / CELLS) {
            if (cell >= here) continue;
            float value = tile[cell][i];
            if (head.keypoint_depth) {
                const int part = (first + i) % head.keypoint_depth;
                value = part == 2 ? sigmoid(value) : (value * 2.0f + (part ? y : x)) * stride;
            }
            narrow(value, to + size_t(4 + head.class_count + first + i) * head.anchors);
        }
    }
}

// Grid: of each level, CELLS cells a block.
#define DECODE(name, T, Out)                                                     \
    extern "C" __global__ void __launch_bounds__(THREADS)                        \
        decode_head_##name(const T* maps, const Head* head, Out* output) {       \
        decode(maps, *head, output);                                             \
    }
DECODE(float32_float32, float, float)
DECODE(float16_float32, __half, float)
DECODE(float16_float16, __half, __half)
