// Finds detections in the outputs of detectors that are no YOLO: DETR's family, YOLO-NAS, PP-YOLOE,
// NanoDet, PicoDet, YOLOX, and networks that suppress by themselves. Twin:
// tasks/detectors/decoding.py decode_boxes. Tied by test/cuda/test_boxes_kernel.py.
//
// There is one launch, and another one for networks whose boxes are still to be suppressed:
//   find_pairs      All blocks list the pairs of row and class whose value may reach a threshold.
//   find_best       The same for the best class of each row, or the class that the network gives.
//                   In both, the last block to end sorts what was listed. Without suppression, it
//                   writes the result.
//   suppress_boxes  As in yolo.cu.
//
// layout     what outputs hold; it never changes
// frame      what may change from frame to frame
// keys       room for all pairs, or all rows; chosen and class_ids for all rows
// result     a BoxHeader, then rows of ROW_VALUES floats, as in yolo.cu
//
// Scores are float32 or float16, the other columns these or int32 or int64. Everything is computed
// in float32, rounded where NumPy rounds, except for exponentials and sums of them.
#include "candidates.cuh"
#include "scores.cuh"
#include "values.cuh"

constexpr int PAIRS_PER_THREAD = 4;
constexpr int LANES = 8;  // threads that share a row's classes
constexpr int BLOCK_ROWS = THREADS / LANES;
constexpr int MAX_LEVELS = 4;
constexpr float MOST_RELATIVE = 1.5f;  // as in tasks/detectors/output.py

enum Relative { PIXELS, FRACTIONS, AS_THE_BOXES_TELL };

// Columns of an output: value v of row r at first + r × row_stride + v × value_stride.
struct Columns {
    int kind, first, row_stride, value_stride;

    __device__ int at(int row, int value) const { return first + row * row_stride + value * value_stride; }
    __device__ float read(const void* values, int row, int value) const {
        return read_value(values, kind, at(row, value));
    }
};

// The cells of one stride.
struct Level {
    int first_row, width, stride;
};

// cuda/boxes.py has the same as a NumPy dtype.
struct Layout {
    Columns boxes, scores, classes, objectness, image, count;
    int rows, score_columns;
    int class_limit;  // class ids are below
    int activation, corners, relative, rows_first, unit, bins, level_count, suppresses, clips;
    float cell_center, network_w, network_h;
    Level levels[MAX_LEVELS];
};

// Outputs with the columns; 0 for those that there are not.
struct Outputs {
    const void *boxes, *classes, *objectness, *image, *count;
};

// cuda/boxes.py has the same as a NumPy dtype. `bad` is not finite; if there are any, the result is
// meaningless.
struct BoxHeader {
    int count, bad_classes, bad_scores, bad_boxes, bad_sizes;
    int used_rows;  // of those with scores
    int chosen;     // rows, or pairs, whose boxes were read
    int unused;
};
static_assert(sizeof(BoxHeader) == sizeof(Header), "cuda/detection_blocks.py takes one for the other");

// ---------------------------------------------------------------- keys

// Larger is better: first the higher value, then the lower index. Never 0.
__device__ inline Bits key_of_value(float value, int index) {
    const unsigned bits = __float_as_uint(value + 0.0f);
    return static_cast<Bits>(bits ^ (bits >> 31 ? ~0u : 1u << 31)) << 32 | ~static_cast<unsigned>(index);
}
__device__ inline float value_of_key(Bits key) {
    const unsigned bits = static_cast<unsigned>(key >> 32);
    return __uint_as_float(bits ^ (bits >> 31 ? 1u << 31 : ~0u));
}

// ---------------------------------------------------------------- scores

// What keys stand for: rows with a class in a list, or, without a list, pairs of row and class.
struct Listed {
    const Layout& layout;
    const int* class_ids;

    __device__ int row(Bits key) const { return class_ids ? row_of(key) : row_of(key) / layout.score_columns; }
    __device__ int class_id(Bits key) const {
        return class_ids ? __ldcg(class_ids + row_of(key)) : row_of(key) % layout.score_columns;
    }
    __device__ float score(Bits key) const {
        const float value = value_of_key(key);
        return !class_ids && layout.activation == SIGMOID ? sigmoid(value) : value;
    }
};

template <typename T>
__device__ inline void list_pairs(
    const T* scores, const Layout& layout, const Frame& frame, Bits* keys, Workspace* work) {
    const int total = layout.rows * layout.score_columns;
    const bool rows_follow = layout.scores.row_stride == 1;  // consecutive threads, consecutive values
    for (int step = 0; step < PAIRS_PER_THREAD; ++step) {
        const int i = (blockIdx.x * PAIRS_PER_THREAD + step) * THREADS + threadIdx.x;
        if (i >= total) break;
        const int row = rows_follow ? i % layout.rows : i / layout.score_columns;
        const int column = rows_follow ? i / layout.rows : i % layout.score_columns;
        const float value = widened(scores[layout.scores.at(row, column)]);
        if (!isfinite(value)) atomicAdd(&work->bad_scores, 1);
        else if (value >= frame.least_value)
            keys[atomicAdd(&work->candidate_count, 1u)] = key_of_value(value, row * layout.score_columns + column);
    }
}

// The best score of a row, by LANES threads together; NaN if a value is.
template <typename T>
__device__ inline Best best_of_row(const T* scores, const Layout& layout, int row, int lane) {
    const bool is_softmax = layout.activation == SOFTMAX;
    const int columns = layout.score_columns, classes = columns - is_softmax;
    Best best = {-INFINITE, MAX_INT};
    float highest = -INFINITE;
    int numbers = 1;
    for (int c = lane; c < columns; c += LANES) {
        const float value = widened(scores[layout.scores.at(row, c)]);
        numbers = numbers && value == value;
        highest = fmaxf(highest, value);
        if (c < classes) best.take(value, c);
    }
    for (int step = LANES / 2; step; step /= 2) {
        best.take_from_lane(step);
        highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, step));
        numbers = __shfl_xor_sync(~0u, numbers, step) && numbers;
    }
    if (is_softmax) {
        float sum = 0.0f;
        for (int c = lane; c < columns; c += LANES)
            sum += expf(widened(scores[layout.scores.at(row, c)]) - highest);
        for (int step = LANES / 2; step; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
        best.value = __fdiv_rn(expf(best.value - highest), sum);
    } else if (layout.activation == SIGMOID) {
        best.value = sigmoid(best.value);
    }
    if (!numbers) best.value = __fsub_rn(INFINITE, INFINITE);
    return best;
}

// The class id that the network gives; -1 if there is none such, or it is not finite.
__device__ inline int given_class(const Layout& layout, const void* classes, int row, bool& finite) {
    const int i = layout.classes.at(row, 0);
    if (layout.classes.kind == INT32) return static_cast<const int*>(classes)[i];
    if (layout.classes.kind == INT64) return static_cast<int>(static_cast<const long long*>(classes)[i]);
    const float id = layout.classes.read(classes, row, 0);
    finite = isfinite(id);
    return finite && fabsf(id) < 2147483648.0f ? static_cast<int>(id) : -1;
}

// Rows that are used, by the output that says so.
__device__ inline int used_rows(const Layout& layout, const void* count) {
    if (layout.count.kind == NONE) return layout.rows;
    const float used = layout.count.read(count, 0, 0);
    return static_cast<int>(fminf(fmaxf(used, 0.0f), static_cast<float>(layout.rows)));
}

template <typename T>
__device__ inline void list_best(
    const T* scores, const Outputs& outputs, const Layout& layout, const Frame& frame, Bits* keys,
    int* class_ids, Workspace* work) {
    const int row = blockIdx.x * BLOCK_ROWS + threadIdx.x / LANES, lane = threadIdx.x % LANES;
    const int used = used_rows(layout, outputs.count);
    const bool classes_given = layout.classes.kind != NONE;
    Best best = {0.0f, 0};
    // All threads take part, as they exchange what they found; those beyond read the last row.
    if (!classes_given) best = best_of_row(scores, layout, min(row, layout.rows - 1), lane);
    if (blockIdx.x == 0 && threadIdx.x == 0) work->used_rows = used;
    if (lane || row >= layout.rows) return;
    if (classes_given) {
        bool finite = true;
        best.id = given_class(layout, outputs.classes, row, finite);
        best.value = widened(scores[layout.scores.at(row, 0)]);
        if (!finite) atomicAdd(&work->bad_classes, 1);
    }
    if (layout.objectness.kind != NONE)
        best.value = __fmul_rn(best.value, layout.objectness.read(outputs.objectness, row, 0));
    if (row >= used) return;
    if (!isfinite(best.value)) {
        atomicAdd(&work->bad_scores, 1);
        return;
    }
    if (best.id < 0 || best.id >= layout.class_limit || !passes(best.value, best.id, frame)) return;
    if (layout.image.kind != NONE && layout.image.read(outputs.image, row, 0) != 0.0f) return;
    class_ids[row] = best.id;
    keys[atomicAdd(&work->candidate_count, 1u)] = key_of_value(best.value, row);
}

// ---------------------------------------------------------------- boxes

// The mean of the distribution of a side's distance, in cells.
__device__ inline float mean_distance(const Layout& layout, const void* boxes, int row, int side) {
    const int first = side * layout.bins;
    float highest = -INFINITE, sum = 0.0f, weighted = 0.0f;
    for (int i = 0; i < layout.bins; ++i) highest = fmaxf(highest, layout.boxes.read(boxes, row, first + i));
    for (int i = 0; i < layout.bins; ++i) {
        const float share = expf(layout.boxes.read(boxes, row, first + i) - highest);
        sum += share;
        weighted += share * i;
    }
    return __fdiv_rn(weighted, sum);
}

// A cell's column and row, and its stride.
struct Cell {
    float x, y, stride;

    __device__ Cell(const Layout& layout, int row) {
        int level = 0;
        while (level + 1 < layout.level_count && row >= layout.levels[level + 1].first_row) ++level;
        const int place = row - layout.levels[level].first_row;
        x = place % layout.levels[level].width;
        y = place / layout.levels[level].width;
        stride = layout.levels[level].stride;
    }
};

__device__ inline float4 box_from_distances(const Layout& layout, const void* boxes, int row) {
    const Cell cell(layout, row);
    float distance[4];
    for (int side = 0; side < 4; ++side)
        distance[side] = __fmul_rn(mean_distance(layout, boxes, row, side), cell.stride);
    const float x = __fmul_rn(__fadd_rn(cell.x, layout.cell_center), cell.stride);
    const float y = __fmul_rn(__fadd_rn(cell.y, layout.cell_center), cell.stride);
    const float4 box = make_float4(
        __fsub_rn(x, distance[0]), __fsub_rn(y, distance[1]), __fadd_rn(x, distance[2]), __fadd_rn(y, distance[3]));
    if (!layout.clips) return box;
    const float w = layout.network_w, h = layout.network_h;
    return make_float4(fminf(fmaxf(box.x, 0.0f), w), fminf(fmaxf(box.y, 0.0f), h),
                       fminf(fmaxf(box.z, 0.0f), w), fminf(fmaxf(box.w, 0.0f), h));
}

__device__ inline float4 swapped(const float4& box) { return make_float4(box.y, box.x, box.w, box.z); }

// Corners as the network has them, before they are scaled.
__device__ inline float4 corners_of(const Layout& layout, const void* boxes, int row) {
    if (layout.bins) return box_from_distances(layout, boxes, row);
    float4 box = make_float4(layout.boxes.read(boxes, row, 0), layout.boxes.read(boxes, row, 1),
                             layout.boxes.read(boxes, row, 2), layout.boxes.read(boxes, row, 3));
    if (layout.level_count) {
        const Cell cell(layout, row);
        box.x = __fmul_rn(__fadd_rn(box.x, cell.x), cell.stride);
        box.y = __fmul_rn(__fadd_rn(box.y, cell.y), cell.stride);
        box.z = __fmul_rn(expf(box.z), cell.stride);
        box.w = __fmul_rn(expf(box.w), cell.stride);
    }
    if (layout.rows_first) box = swapped(box);
    if (layout.corners) return box;
    return corners_around(box.x, box.y, box.z, box.w);
}

__device__ inline float4 times(const float4& box, float x, float y) {
    return make_float4(__fmul_rn(box.x, x), __fmul_rn(box.y, y), __fmul_rn(box.z, x), __fmul_rn(box.w, y));
}

__device__ inline float4 in_network_pixels(float4 box, const Layout& layout, bool is_relative) {
    if (layout.bins) return box;
    if (is_relative) box = times(box, layout.network_w, layout.network_h);
    return layout.unit == 1 ? box : times(box, layout.unit, layout.unit);
}

__device__ inline bool has_finite_values(const Layout& layout, const void* boxes, int row) {
    bool finite = true;
    for (int i = 0; i < (layout.bins ? 4 * layout.bins : 4); ++i)
        finite = finite && isfinite(layout.boxes.read(boxes, row, i));
    return finite;
}

__device__ inline bool has_finite_size(const Layout& layout, const void* boxes, int row) {
    if (layout.bins || !layout.level_count) return true;
    const float stride = Cell(layout, row).stride;
    return isfinite(__fmul_rn(expf(layout.boxes.read(boxes, row, 2)), stride)) &&
           isfinite(__fmul_rn(expf(layout.boxes.read(boxes, row, 3)), stride));
}

__device__ inline float largest_of(const float4& box) {
    return fmaxf(fmaxf(fabsf(box.x), fabsf(box.y)), fmaxf(fabsf(box.z), fabsf(box.w)));
}

// ---------------------------------------------------------------- candidates

// Writes those listed that count to `chosen`: the best, as many as there are rows, if they reach
// the threshold of their class and their box is finite. Returns how many; `is_relative` is whether
// their boxes are fractions. For a whole block.
__device__ inline int choose(
    const Listed& listed, const void* boxes, const Layout& layout, const Frame& frame, const Bits* keys,
    Bits* chosen, Workspace* work, bool& is_relative) {
    __shared__ int taken;
    __shared__ unsigned largest;  // the bits of a float that is not negative, in whose order they are
    const int count = __ldcg(&work->candidate_count);
    const Bits limit = count > layout.rows ? selection_limit(keys, count, layout.rows) : 0;
    if (threadIdx.x == 0) taken = largest = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < count; i += THREADS) {
        const Bits key = __ldcg(keys + i);
        if (key < limit || !passes(listed.score(key), listed.class_id(key), frame)) continue;
        const int row = listed.row(key);
        atomicAdd(&work->chosen, 1);
        if (!has_finite_values(layout, boxes, row)) {
            atomicAdd(&work->bad_boxes, 1);
        } else if (!has_finite_size(layout, boxes, row)) {
            atomicAdd(&work->bad_sizes, 1);
        } else {
            chosen[atomicAdd(&taken, 1)] = key;
            if (layout.relative == AS_THE_BOXES_TELL)
                atomicMax(&largest, __float_as_uint(largest_of(corners_of(layout, boxes, row))));
        }
    }
    __syncthreads();
    const float farthest = __uint_as_float(largest);
    is_relative = layout.relative == FRACTIONS ||
                  (layout.relative == AS_THE_BOXES_TELL && farthest > 0.0f && farthest <= MOST_RELATIVE);
    return taken;
}

// Writes the list of candidates, best first, with what suppression needs; returns how many. For a
// whole block.
__device__ inline int sort_boxes(
    const Listed& listed, const void* boxes, const Layout& layout, const Frame& frame, const Bits* keys,
    Bits* chosen, Workspace* work) {
    __shared__ Bits sorted[SORTED];
    bool is_relative;
    const int count = choose(listed, boxes, layout, frame, keys, chosen, work, is_relative);
    const int found = select_and_sort(chosen, count, sorted);
    for (int i = threadIdx.x; i < found; i += THREADS) {
        const int row = listed.row(sorted[i]);
        const float4 box = in_network_pixels(corners_of(layout, boxes, row), layout, is_relative);
        put_candidate(work, i, box, listed.score(sorted[i]), listed.class_id(sorted[i]), row, frame);
    }
    if (threadIdx.x == 0) {
        work->sorted_count = found;
        work->candidate_count = 0;
    }
    __syncthreads();
    return found;
}

// Writes the result, and leaves the counters at zero. For a whole block.
__device__ inline void write_detections(
    const Frame& frame, const int* kept, int kept_count, Workspace* work, Detected* detected, float* result) {
    float* rows = result + sizeof(BoxHeader) / sizeof(float);
    const int written = write_boxes(frame, kept, kept_count, ROW_VALUES, work, detected, rows);
    if (threadIdx.x) return;
    *reinterpret_cast<BoxHeader*>(result) = {
        written,
        __ldcg(&work->bad_classes),
        __ldcg(&work->bad_scores),
        __ldcg(&work->bad_boxes),
        __ldcg(&work->bad_sizes),
        __ldcg(&work->used_rows),
        __ldcg(&work->chosen),
        0};
    work->bad_classes = work->bad_scores = work->bad_boxes = work->bad_sizes = work->used_rows = work->chosen = 0;
}

// ---------------------------------------------------------------- launches

// What the last block to list candidates does with them.
__device__ inline void finish(
    const Listed& listed, const void* boxes, const Layout& layout, const Frame& frame, const Bits* keys,
    Bits* chosen, Workspace* work, Detected* detected, float* result) {
    __shared__ int kept[SORTED];
    if (!is_last_block(&work->find_blocks_ended, gridDim.x)) return;
    const int found = sort_boxes(listed, boxes, layout, frame, keys, chosen, work);
    if (layout.suppresses) return;
    const int kept_count = min(found, frame.max_detections);
    for (int i = threadIdx.x; i < kept_count; i += THREADS) kept[i] = i;
    __syncthreads();
    write_detections(frame, kept, kept_count, work, detected, result);
}

// Grid: THREADS × PAIRS_PER_THREAD pairs, or BLOCK_ROWS rows, per block.
#define FIND(suffix, T)                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS) find_pairs_##suffix(                     \
        const T* scores, const void* boxes, const Layout* layout, const Frame* frame, Bits* keys,  \
        Bits* chosen, Workspace* work, Detected* detected, float* result) {                        \
        list_pairs(scores, *layout, *frame, keys, work);                                           \
        finish(Listed{*layout, nullptr}, boxes, *layout, *frame, keys, chosen, work, detected, result);\
    }                                                                                              \
    extern "C" __global__ void __launch_bounds__(THREADS) find_best_##suffix(                      \
        const T* scores, const void* boxes, const void* classes, const void* objectness,           \
        const void* image, const void* count, const Layout* layout, const Frame* frame, Bits* keys,\
        Bits* chosen, int* class_ids, Workspace* work, Detected* detected, float* result) {        \
        list_best(scores, Outputs{boxes, classes, objectness, image, count}, *layout, *frame, keys,\
                  class_ids, work);                                                                \
        finish(Listed{*layout, class_ids}, boxes, *layout, *frame, keys, chosen, work, detected, result);\
    }
FIND(float32, float)
FIND(float16, __half)

// Grid: OVERLAP_BLOCKS.
extern "C" __global__ void __launch_bounds__(THREADS) suppress_boxes(
    const Frame* frame, Workspace* work, Detected* detected, float* result) {
    __shared__ int kept[SORTED];
    const int count = work->sorted_count;
    if (!compare_all(count, *frame, work)) return;
    const int kept_count = keep_best(work, count, frame->max_detections, kept);
    write_detections(*frame, kept, kept_count, work, detected, result);
}
