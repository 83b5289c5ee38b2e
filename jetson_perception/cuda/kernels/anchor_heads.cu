// Finds detections in raw heads of YOLOv5 and YOLOv7: maps before the sigmoid, with boxes relative to
// anchors. Twin: tasks/anchor_heads.py decode_heads. Tied by test/cuda/test_anchor_heads_kernel.py.
//
// There are two launches:
//   find_in_heads   Threads compare the objectness of each row, which is an anchor in a cell, with
//                   the lowest threshold; eight threads share the classes of a row that reaches it,
//                   and list it if its score reaches the threshold of its class. The last block to
//                   end sorts what was listed.
//   suppress_heads  As in yolo.cu.
//
// level…     (anchors, height, width, values) of each level: center, size, objectness, then a logit
//            a class
// heads      their sizes; it never changes
// anchors    (levels, anchors): width and height of each, network pixels
// counts     zero before the first frame and after every frame
// keys       room for all rows, like class_ids
// result     a HeadHeader, then rows of ROW_VALUES floats, as in yolo.cu
//
// Outputs are float32 or float16; everything is computed in float32, rounded where NumPy rounds,
// except for exponentials.
#include "candidates.cuh"
#include "floats.cuh"
#include "scores.cuh"

constexpr int LANES = 8;  // threads that share a row's classes
constexpr int BLOCK_ROWS = THREADS / LANES;
constexpr int MAX_LEVELS = 4;
constexpr int OBJECTNESS = 4, FIRST_CLASS = 5;  // places among the values of a row

struct HeadLevel {
    int first_row, width, height, stride;
};

// cuda/anchor_heads.py has the same as a NumPy dtype.
struct Heads {
    int rows, values, anchors, level_count;
    HeadLevel levels[MAX_LEVELS];
};

struct Anchor {
    float width, height;
};

struct LevelCounts {
    int bad_scores;  // rows whose objectness is not finite
    int likely;      // rows whose other values were read
    int bad_values;  // values of these that are not finite
};
struct Counts {
    LevelCounts levels[MAX_LEVELS];
};
static_assert(sizeof(Counts) == 48, "cuda/anchor_heads.py reserves 48 bytes");

// cuda/anchor_heads.py has the same as a NumPy dtype.
struct HeadHeader {
    int count;
    int level;       // the first one with anything bad, which makes the result meaningless
    LevelCounts of;  // that level
    int unused[3];
};
static_assert(sizeof(HeadHeader) == sizeof(Header), "cuda/detection_blocks.py takes one for the other");

template <typename T>
struct Levels {
    const T* values[MAX_LEVELS];
};

// Where the values of a row are, and which cell and anchor they are of.
template <typename T>
struct Row {
    const T* values;
    int level, anchor, x, y;

    __device__ Row(const Levels<T>& maps, const Heads& heads, int row) {
        level = 0;
        while (level + 1 < heads.level_count && row >= heads.levels[level + 1].first_row) ++level;
        const HeadLevel& of = heads.levels[level];
        const int place = row - of.first_row, cells = of.width * of.height;
        anchor = place / cells;
        y = place % cells / of.width;
        x = place % of.width;
        values = maps.values[level] + size_t(place) * heads.values;
    }
    __device__ float at(int value) const { return widened(values[value]); }
};

// ---------------------------------------------------------------- candidates

template <typename T>
__device__ inline void list_likely(
    const Levels<T>& maps, const Heads& heads, const Frame& frame, Bits* keys, int* class_ids, Counts* counts,
    Workspace* work) {
    const int number = blockIdx.x * BLOCK_ROWS + threadIdx.x / LANES, lane = threadIdx.x % LANES;
    const bool inside = number < heads.rows;
    // All threads take part, as they exchange what they found; those beyond read the last row.
    const Row<T> row(maps, heads, min(number, heads.rows - 1));
    const float logit = row.at(OBJECTNESS), objectness = sigmoid(logit);
    const bool likely = inside && isfinite(logit) && objectness >= frame.lowest;
    Best best = {-INFINITE, MAX_INT};
    int bad = 0;
    if (likely) {
#pragma unroll 4
        for (int value = lane; value < heads.values; value += LANES) {
            const float read = row.at(value);
            bad += !isfinite(read);
            if (value >= FIRST_CLASS) best.take(sigmoid(read), value - FIRST_CLASS);
        }
    }
    for (int step = LANES / 2; step; step /= 2) {
        best.take_from_lane(step);
        bad += __shfl_xor_sync(~0u, bad, step);
    }
    if (lane || !inside) return;
    LevelCounts& level = counts->levels[row.level];
    if (!isfinite(logit)) atomicAdd(&level.bad_scores, 1);
    if (!likely) return;
    atomicAdd(&level.likely, 1);
    if (bad) {
        atomicAdd(&level.bad_values, bad);
        return;
    }
    const float score = __fmul_rn(best.value, objectness);
    if (!passes(score, best.id, frame)) return;
    class_ids[number] = best.id;
    keys[atomicAdd(&work->candidate_count, 1u)] = key_of(score, number);
}

template <typename T>
__device__ inline float4 box_of(const Row<T>& row, const Heads& heads, const Anchor* anchors) {
    const float stride = heads.levels[row.level].stride;
    const Anchor anchor = anchors[row.level * heads.anchors + row.anchor];
    const float across = __fsub_rn(__fmul_rn(sigmoid(row.at(0)), 2.0f), 0.5f);
    const float down = __fsub_rn(__fmul_rn(sigmoid(row.at(1)), 2.0f), 0.5f);
    const float width = __fmul_rn(sigmoid(row.at(2)), 2.0f), height = __fmul_rn(sigmoid(row.at(3)), 2.0f);
    return corners_around(
        __fmul_rn(__fadd_rn(across, static_cast<float>(row.x)), stride),
        __fmul_rn(__fadd_rn(down, static_cast<float>(row.y)), stride),
        __fmul_rn(__fmul_rn(width, width), anchor.width), __fmul_rn(__fmul_rn(height, height), anchor.height));
}

// Writes the list of candidates, best first, with what suppression needs. For a whole block.
template <typename T>
__device__ inline void sort_likely(
    const Levels<T>& maps, const Heads& heads, const Anchor* anchors, const Frame& frame, const Bits* keys,
    const int* class_ids, Workspace* work) {
    __shared__ Bits sorted[SORTED];
    const int found = select_and_sort(keys, __ldcg(&work->candidate_count), sorted);
    for (int i = threadIdx.x; i < found; i += THREADS) {
        const int number = row_of(sorted[i]);
        const float4 box = box_of(Row<T>(maps, heads, number), heads, anchors);
        put_candidate(work, i, box, score_of(sorted[i]), __ldcg(class_ids + number), number, frame);
    }
    if (threadIdx.x == 0) {
        work->sorted_count = found;
        work->candidate_count = 0;
    }
}

// ---------------------------------------------------------------- launches

// Grid: BLOCK_ROWS rows per block.
#define FIND(suffix, T)                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS) find_in_heads_##suffix(                  \
        const T* level0, const T* level1, const T* level2, const T* level3, const Heads* heads,    \
        const Anchor* anchors, const Frame* frame, Bits* keys, int* class_ids, Counts* counts,     \
        Workspace* work) {                                                                         \
        const Levels<T> maps{{level0, level1, level2, level3}};                                    \
        list_likely(maps, *heads, *frame, keys, class_ids, counts, work);                          \
        if (is_last_block(&work->find_blocks_ended, gridDim.x))                                    \
            sort_likely(maps, *heads, anchors, *frame, keys, class_ids, work);                     \
    }
FIND(float32, float)
FIND(float16, __half)

// Grid: OVERLAP_BLOCKS.
extern "C" __global__ void __launch_bounds__(THREADS) suppress_heads(
    const Frame* frame, Counts* counts, Workspace* work, Detected* detected, float* result) {
    __shared__ int kept[SORTED];
    const int count = work->sorted_count;
    if (!compare_all(count, *frame, work)) return;
    const int kept_count = keep_best(work, count, frame->max_detections, kept);
    float* rows = result + sizeof(HeadHeader) / sizeof(float);
    const int written = write_boxes(*frame, kept, kept_count, ROW_VALUES, work, detected, rows);
    if (threadIdx.x) return;
    int level = 0;
    while (level + 1 < MAX_LEVELS && !counts->levels[level].bad_scores && !counts->levels[level].bad_values) ++level;
    *reinterpret_cast<HeadHeader*>(result) = {written, level, counts->levels[level], {0, 0, 0}};
    *counts = {};
}
