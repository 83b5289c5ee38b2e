// The end of an anchor-free YOLO network in one launch: from the maps of its last convolutions to
// boxes, scores and keypoints of every anchor. Twin: tasks/yolo_head.py decode_head. Tied by
// test/cuda/test_yolo_head_kernel.py.
//
// maps     for each level: 4 × bins values per cell, for the distances to the left, top, right and
//          bottom edges; a logit for each class; and extra values. Each map is (channels, cells)
//          or, with channels_last, (cells, channels), float32 or float16
// output   (4 + class_count + extra_count, anchors): center x, y, width, height in pixels of the
//          network's input, scores, extra values; float32 or float16
//
// A block handles CELLS cells of one level: their boxes, or CHUNK of the other values. Values go
// through shared memory, so that neighboring threads read and write neighboring addresses in both
// orders of axes.
#include "floats.cuh"

constexpr int THREADS = 256;
constexpr int WARP = 32;
constexpr int CELLS = 64;   // per block
constexpr int CHUNK = 64;   // channels in shared memory, and 4 × the most bins
constexpr int LEVELS = 4;   // at most

// Where a level's maps begin, counted in values from `maps`; its cells, anchors and blocks.
struct Level {
    int boxes, scores, extras, width, cells, first_anchor, first_block, stride;
};

struct Head {
    int level_count, bins, class_count, extra_count, keypoint_depth, anchors, channels_last, unused;
    Level levels[LEVELS];
};

__device__ inline void narrow(float value, float* to) { *to = value; }
__device__ inline void narrow(float value, __half* to) { *to = __float2half_rn(value); }

__device__ inline float sigmoid(float logit) { return 1.0f / (1.0f + expf(-logit)); }

typedef float Tile[CELLS][CHUNK + 1];  // one more, so that threads of a warp use different banks

// Loads channels `first` to `first + count` of a map at `here` cells from `first_cell` on. For a
// whole block.
template <typename T>
__device__ inline void load(const T* map, int channels, int cells, bool channels_last, int first_cell,
                            int here, int first, int count, Tile& tile) {
    if (channels_last) {
        const T* from = map + size_t(first_cell) * channels + first;
        for (int cell = threadIdx.x / WARP; cell < here; cell += THREADS / WARP)
            for (int channel = threadIdx.x % WARP; channel < count; channel += WARP)
                tile[cell][channel] = widened(from[size_t(cell) * channels + channel]);
    } else {
        const T* from = map + size_t(first) * cells + first_cell;
        const int cell = threadIdx.x % CELLS;
        for (int channel = threadIdx.x / CELLS; channel < count; channel += THREADS / CELLS)
            if (cell < here) tile[cell][channel] = widened(from[size_t(channel) * cells + cell]);
    }
    __syncthreads();
}

// The distance to an edge, in cells: the mean of the distribution that the logits describe.
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

// The cells that a block handles, and the thread's own cell.
struct Place {
    Level level;
    int first_cell, here;  // the block's
    int cell, group;       // the thread's, one of `here`; which of the four threads of that cell
    int x, y;

    __device__ Place(const Head& head) {
        int index = 0;
        while (index + 1 < head.level_count && int(blockIdx.x) >= head.levels[index + 1].first_block) ++index;
        level = head.levels[index];
        first_cell = (blockIdx.x - level.first_block) * CELLS;
        here = min(CELLS, level.cells - first_cell);
        cell = threadIdx.x % CELLS;
        group = threadIdx.x / CELLS;
        x = (first_cell + cell) % level.width;
        y = (first_cell + cell) / level.width;
    }
};

template <typename T, typename Out>
__device__ inline void decode_boxes(const T* maps, const Head& head, const Place& at, Out* to, Tile& tile) {
    __shared__ float sides[4][CELLS];
    load(maps + at.level.boxes, 4 * head.bins, at.level.cells, head.channels_last, at.first_cell, at.here, 0,
         4 * head.bins, tile);
    if (at.cell < at.here) sides[at.group][at.cell] = distance(&tile[at.cell][at.group * head.bins], head.bins);
    __syncthreads();
    if (at.cell >= at.here) return;
    // The four groups of threads compute center x, center y, width and height.
    const int axis = at.group % 2;
    const float center = (axis ? at.y : at.x) + 0.5f;
    const float low = center - sides[axis][at.cell], high = center + sides[axis + 2][at.cell];
    const float value = (at.group < 2 ? (low + high) / 2.0f : high - low) * at.level.stride;
    narrow(value, to + size_t(at.group) * head.anchors);
}

template <typename T, typename Out>
__device__ inline void decode(const T* maps, const Head& head, Out* output) {
    __shared__ Tile tile;
    const Place at(head);
    Out* to = output + at.level.first_anchor + at.first_cell + at.cell;
    if (blockIdx.y == 0) {
        decode_boxes(maps, head, at, to, tile);
        return;
    }
    const int score_chunks = (head.class_count + CHUNK - 1) / CHUNK;
    const bool are_scores = int(blockIdx.y) <= score_chunks;
    const int channels = are_scores ? head.class_count : head.extra_count;
    const int first = (blockIdx.y - 1 - (are_scores ? 0 : score_chunks)) * CHUNK, count = min(CHUNK, channels - first);
    load(maps + (are_scores ? at.level.scores : at.level.extras), channels, at.level.cells, head.channels_last,
         at.first_cell, at.here, first, count, tile);
    if (at.cell >= at.here) return;
    to += size_t(4 + (are_scores ? 0 : head.class_count) + first) * head.anchors;
    for (int i = at.group; i < count; i += THREADS / CELLS) {
        float value = tile[at.cell][i];
        const int part = head.keypoint_depth ? (first + i) % head.keypoint_depth : 3;
        if (are_scores || part == 2) value = sigmoid(value);
        else if (part < 2) value = (value * 2.0f + (part ? at.y : at.x)) * at.level.stride;
        narrow(value, to + size_t(i) * head.anchors);
    }
}

// Grid: across, CELLS cells of one level per block; down, boxes, then chunks of scores, then chunks
// of extra values.
#define DECODE(name, T, Out)                                                     \
    extern "C" __global__ void __launch_bounds__(THREADS)                        \
        decode_head_##name(const T* maps, const Head* head, Out* output) {       \
        decode(maps, *head, output);                                             \
    }
DECODE(float32_float32, float, float)
DECODE(float16_float32, __half, float)
DECODE(float16_float16, __half, __half)
