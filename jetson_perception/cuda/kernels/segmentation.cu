// Makes class masks from the scores of a segmentation network: bilinear enlargement, the best class
// of each pixel, and how many pixels each class has; and on request, how likely that class is. Twins:
// tasks/segmentation.py, segment and confidence_of. Tied by test/cuda/test_segmentation_kernel.py and
// test_confidence_kernel.py.
//
// scores   (classes, grid_h, grid_w) in any order of axes: element (c, y, x) is at c × class_stride
//          + y × row_stride + x × column_stride. float32 or float16. The address of the first
//          element and the grid's size exclude the padding around the image.
// labels   (grid_h, grid_w) uint16: the best class at each grid point, and UNSURE
// softmax  (grid_h, grid_w): what turns the logits of a grid point into probabilities
// mask     (mask_h, mask_w) uint8
// counts   (257) uint32: pixels of each class, then the grid points where the highest score is
//          infinite or NaN. If there are any, mask and counts are meaningless.
// bad      (1) uint32: the number of such points found so far. Zero before the first frame and
//          after every frame.
//
// First, each thread finds the best class at one grid point; then each thread finds the class of a
// few pixels of the mask. If the grid points around a pixel have the same best class, it is the
// pixel's too, since averages with positive weights keep the order. So scores are interpolated only
// along borders between classes.
#include "floats.cuh"
#include "scores.cuh"
#include "taps.cuh"

constexpr int MAX_CLASSES = 256;
constexpr int TILE = 32;         // pixels of the mask per block, across and down
constexpr int THREADS_DOWN = 8;  // each thread handles TILE / THREADS_DOWN pixels of a column
constexpr int GRID_THREADS = 256;
constexpr int BAD_POINTS = MAX_CLASSES;  // index of the bad points in `counts`

// A flag in a label: a score here is infinite or NaN, so that averages may not keep the order.
constexpr unsigned short UNSURE = 256;

struct Softmax {
    float highest, scale;  // a logit's probability is exp(logit - highest) × scale
};

__device__ inline bool is_nan(float value) { return value != value; }

// Whether `value` replaces `best` in a search for the highest value; NaN ends it, as in NumPy.
__device__ inline bool is_higher(float value, float best) {
    return value > best || (is_nan(value) && !is_nan(best));
}

template <typename Score>
struct Grid {
    const Score* scores;
    int class_count, class_stride, row_stride, column_stride, width, height;

    __device__ const Score* at(int x, int y) const {
        return scores + size_t(y) * row_stride + size_t(x) * column_stride;
    }
};

// ---- The grid's points

template <typename Score>
__device__ inline unsigned short best_score(const Grid<Score>& grid, const Score* point, float* highest) {
    float best = widened(point[0]);
    int label = 0;
    bool finite = isfinite(best);
    for (int c = 1; c < grid.class_count; ++c) {
        const float score = widened(point[size_t(c) * grid.class_stride]);
        finite = finite && isfinite(score);
        if (is_higher(score, best)) {
            best = score;
            label = c;
        }
    }
    *highest = best;
    return finite ? label : (label | UNSURE);
}

// The class with the highest probability. If logits differ by less than probabilities can show, the
// class with the lower id wins.
template <typename Score>
__device__ inline unsigned short best_probability(
    const Grid<Score>& grid, const Score* point, float highest, Softmax* softmax) {
    float sum = 0.0f, best = -1.0f;
    int label = 0;
    for (int c = 0; c < grid.class_count; ++c) {
        const float share = expf(widened(point[size_t(c) * grid.class_stride]) - highest);
        sum += share;
        if (share > best) {
            best = share;
            label = c;
        }
    }
    *softmax = {highest, 1.0f / sum};
    return isfinite(sum) ? label : UNSURE;  // otherwise all probabilities are NaN, 0 the first
}

template <bool with_softmax, typename Score>
__device__ inline void best_of_grid(
    const Grid<Score>& grid, unsigned short* labels, Softmax* softmax, unsigned int* counts,
    unsigned int* bad) {
    if (blockIdx.x == 0) {
        for (int i = threadIdx.x; i < MAX_CLASSES; i += GRID_THREADS) counts[i] = 0;
    }
    const int i = blockIdx.x * GRID_THREADS + threadIdx.x;
    if (i >= grid.width * grid.height) return;
    const Score* point = grid.at(i % grid.width, i / grid.width);
    float highest;
    unsigned short label = best_score(grid, point, &highest);
    if (!isfinite(highest)) atomicAdd(bad, 1u);
    if (with_softmax) label = best_probability(grid, point, highest, &softmax[i]);
    labels[i] = label;
}

// ---- The mask's pixels

struct Mask {
    unsigned char* classes;
    int width, height;
    unsigned int* counts;
};

// Where the mask lies on the grid: one of its pixels covers step_x × step_y grid points.
struct Place {
    double step_x, step_y, origin_x, origin_y;
};

// Calls best_at(x, y) for each pixel of the block's tile, writes the classes, and counts them.
template <typename BestAt>
__device__ inline void fill_tile(const Mask& mask, const BestAt& best_at) {
    __shared__ unsigned int counts[MAX_CLASSES];
    const int thread = threadIdx.y * TILE + threadIdx.x;
    for (int i = thread; i < MAX_CLASSES; i += TILE * THREADS_DOWN) counts[i] = 0;
    __syncthreads();
    const int x = blockIdx.x * TILE + threadIdx.x, tile_y = blockIdx.y * TILE;
    if (x < mask.width) {
        // Neighbors mostly have the same class, so a run of them needs only one addition.
        int run_class = 0, run = 0;
        for (int i = threadIdx.y; i < TILE && tile_y + i < mask.height; i += THREADS_DOWN) {
            const int best = best_at(int(threadIdx.x), i);
            mask.classes[size_t(tile_y + i) * mask.width + x] = best;
            if (best != run_class && run) {
                atomicAdd(&counts[run_class], run);
                run = 0;
            }
            run_class = best;
            ++run;
        }
        if (run) atomicAdd(&counts[run_class], run);
    }
    __syncthreads();
    for (int i = thread; i < MAX_CLASSES; i += TILE * THREADS_DOWN) {
        if (counts[i]) atomicAdd(&mask.counts[i], counts[i]);
    }
}

// One grid point is enough if the other has no weight.
__device__ inline Taps of_weight(Taps taps) {
    if (taps.weight == 0.0f) taps.second = taps.first;
    return taps;
}

// Counts the values that are not finite; the threads of all blocks share the work. at(i) returns
// one of `count` values.
template <typename At>
__device__ inline void count_bad(int count, unsigned int* counts, const At& at) {
    const int block = blockIdx.y * gridDim.x + blockIdx.x, thread = threadIdx.y * TILE + threadIdx.x;
    const int threads = TILE * THREADS_DOWN, step = gridDim.x * gridDim.y * threads;
    for (int i = block * threads + thread; i < count; i += step) {
        if (!isfinite(at(i))) atomicAdd(&counts[BAD_POINTS], 1u);
    }
}

// Finds the taps of the tile's columns and rows. Threads must synchronize before they use them.
template <typename Score>
__device__ inline void find_taps(const Grid<Score>& grid, const Place& place, Taps* columns, Taps* rows) {
    const int thread = threadIdx.y * TILE + threadIdx.x;
    if (thread < TILE) {
        const int x = blockIdx.x * TILE + thread;
        columns[thread] = of_weight(column_taps(x, place.step_x, place.origin_x, grid.width));
    } else if (thread < 2 * TILE) {
        const int i = thread - TILE, y = blockIdx.y * TILE + i;
        rows[i] = of_weight(row_taps(y, place.step_y, place.origin_y, grid.height));
    }
}

// A neighbor without weight does not count: 0 × infinity would be NaN.
__device__ inline float between(float first, float second, float weight_of_second) {
    const float mean = first * (1.0f - weight_of_second) + second * weight_of_second;
    return weight_of_second == 0.0f ? first : mean;
}

__device__ inline float interpolated(
    float upper_left, float upper_right, float lower_left, float lower_right, const Taps& column,
    const Taps& row) {
    const float upper = between(upper_left, upper_right, column.weight);
    const float lower = between(lower_left, lower_right, column.weight);
    return between(upper, lower, row.weight);
}

template <bool with_softmax, typename Score>
struct BestOfScores {
    const Grid<Score>& grid;
    const unsigned short* labels;
    const Softmax* softmax;
    const Taps *columns, *rows;

    __device__ int operator()(int column_index, int row_index) const {
        const Taps column = columns[column_index], row = rows[row_index];
        const int upper = row.first * grid.width, lower = row.second * grid.width;
        const unsigned short label = labels[upper + column.first];
        const bool everywhere = label == labels[upper + column.second] &&
                                label == labels[lower + column.first] &&
                                label == labels[lower + column.second];
        // If a pixel has only one grid point, it has the class of that point, unsure or not.
        const bool one_point = column.first == column.second && upper == lower;
        if (everywhere && (label < UNSURE || one_point)) return label % UNSURE;
        return best_between(column, row);
    }

    // The first class that no other class surpasses. No class surpasses NaN.
    __device__ int best_between(const Taps& column, const Taps& row) const {
        const Score* corner[4] = {
            grid.at(column.first, row.first), grid.at(column.second, row.first),
            grid.at(column.first, row.second), grid.at(column.second, row.second)};
        Softmax to_probability[4];
        if (with_softmax) {
            to_probability[0] = softmax[row.first * grid.width + column.first];
            to_probability[1] = softmax[row.first * grid.width + column.second];
            to_probability[2] = softmax[row.second * grid.width + column.first];
            to_probability[3] = softmax[row.second * grid.width + column.second];
        }
        float best = 0.0f;
        int label = 0;
        for (int c = 0; c < grid.class_count; ++c) {
            float score[4];
            for (int i = 0; i < 4; ++i) {
                score[i] = widened(corner[i][size_t(c) * grid.class_stride]);
                if (with_softmax) {
                    score[i] = expf(score[i] - to_probability[i].highest) * to_probability[i].scale;
                }
            }
            const float here = interpolated(score[0], score[1], score[2], score[3], column, row);
            if (c && here > best) label = c;
            if (c == 0 || here > best || is_nan(here)) best = here;
        }
        return label;
    }
};

template <typename Score>
struct Foreground {
    const Grid<Score>& grid;
    int with_sigmoid;
    float threshold;
    const Taps *columns, *rows;

    __device__ float score_at(int x, int y) const {
        const float score = widened(*grid.at(x, y));
        return with_sigmoid ? tanhf(score * 0.5f) * 0.5f + 0.5f : score;
    }

    __device__ int operator()(int column_index, int row_index) const {
        const Taps column = columns[column_index], row = rows[row_index];
        const float here = interpolated(
            score_at(column.first, row.first), score_at(column.second, row.first),
            score_at(column.first, row.second), score_at(column.second, row.second), column, row);
        return here > threshold;
    }
};

// ---- The kernels. Grid: GRID_THREADS grid points per block; or the mask's tiles, with blocks of
// (TILE, THREADS_DOWN) threads.

#define GRID_ARGUMENTS(Score)                                                                  \
    const Score *scores, int class_count, int class_stride, int row_stride, int column_stride, \
        int grid_w, int grid_h
#define GRID {scores, class_count, class_stride, row_stride, column_stride, grid_w, grid_h}
#define MASK_ARGUMENTS                                                                    \
    unsigned char *classes, int mask_w, int mask_h, unsigned int *counts, double step_x,  \
        double step_y, double origin_x, double origin_y

#define BEST_CLASS(suffix, Score, with_softmax)                                                  \
    extern "C" __global__ void __launch_bounds__(GRID_THREADS) best_of_grid_##suffix(            \
        GRID_ARGUMENTS(Score), unsigned short* labels, Softmax* softmax, unsigned int* counts,   \
        unsigned int* bad) {                                                                     \
        const Grid<Score> grid GRID;                                                             \
        best_of_grid<with_softmax>(grid, labels, softmax, counts, bad);                          \
    }                                                                                            \
    extern "C" __global__ void __launch_bounds__(TILE* THREADS_DOWN) best_of_mask_##suffix(      \
        GRID_ARGUMENTS(Score), const unsigned short* labels, const Softmax* softmax,             \
        MASK_ARGUMENTS, unsigned int* bad) {                                                     \
        __shared__ Taps columns[TILE], rows[TILE];                                               \
        const Grid<Score> grid GRID;                                                             \
        if (blockIdx.x + blockIdx.y + threadIdx.x + threadIdx.y == 0) {                          \
            counts[BAD_POINTS] = *bad;                                                           \
            *bad = 0;                                                                            \
        }                                                                                        \
        find_taps(grid, {step_x, step_y, origin_x, origin_y}, columns, rows);                    \
        fill_tile({classes, mask_w, mask_h, counts}, BestOfScores<with_softmax, Score>{          \
                                                         grid, labels, softmax, columns, rows}); \
    }
BEST_CLASS(float32, float, false)
BEST_CLASS(float16, __half, false)
BEST_CLASS(softmax_float32, float, true)
BEST_CLASS(softmax_float16, __half, true)

// For the single channel of a network that separates foreground from background.
#define FOREGROUND(suffix, Score)                                                               \
    extern "C" __global__ void __launch_bounds__(TILE* THREADS_DOWN) foreground_##suffix(       \
        GRID_ARGUMENTS(Score), int with_sigmoid, float threshold, MASK_ARGUMENTS) {             \
        __shared__ Taps columns[TILE], rows[TILE];                                              \
        const Grid<Score> grid GRID;                                                            \
        count_bad(grid_w* grid_h, counts,                                                       \
                  [&](int i) { return widened(*grid.at(i % grid_w, i / grid_w)); });            \
        find_taps(grid, {step_x, step_y, origin_x, origin_y}, columns, rows);                   \
        fill_tile({classes, mask_w, mask_h, counts},                                            \
                  Foreground<Score>{grid, with_sigmoid, threshold, columns, rows});             \
    }
FOREGROUND(float32, float)
FOREGROUND(float16, __half)

// ---- How likely the class of each pixel is, in 255ths; launched only on request

template <typename Score>
struct Likely {
    const Grid<Score>& grid;
    int activation;
    const Softmax* softmax;

    __device__ float share(int x, int y, int class_id) const {
        const float score = widened(grid.at(x, y)[grid.class_count == 1 ? 0 : size_t(class_id) * grid.class_stride]);
        if (activation == SIGMOID) return tanhf(score * 0.5f) * 0.5f + 0.5f;
        if (activation == SCORES) return score;
        const Softmax& of = softmax[y * grid.width + x];
        return expf(score - of.highest) * of.scale;
    }
    // Of one grid point.
    __device__ float at(int x, int y, int class_id) const {
        const float share_of_class = share(x, y, class_id);
        const bool is_background = grid.class_count == 1 && class_id == 0;  // what is no foreground
        const float likely = is_background ? 1.0f - share_of_class : share_of_class;
        return fminf(fmaxf(likely, 0.0f), 1.0f) * 255.0f;
    }
};

// Grid: GRID_THREADS grid points per block.
template <typename Score>
__device__ inline void softmax_of_grid(const Grid<Score>& grid, Softmax* softmax) {
    const int i = blockIdx.x * GRID_THREADS + threadIdx.x;
    if (i >= grid.width * grid.height) return;
    const Score* point = grid.at(i % grid.width, i / grid.width);
    float highest = -INFINITY, sum = 0.0f;
#pragma unroll 8
    for (int c = 0; c < grid.class_count; ++c) highest = fmaxf(highest, widened(point[size_t(c) * grid.class_stride]));
#pragma unroll 8
    for (int c = 0; c < grid.class_count; ++c) sum += expf(widened(point[size_t(c) * grid.class_stride]) - highest);
    softmax[i] = {highest, 1.0f / sum};
}

// likely (mask_h, mask_w) uint8: of the classes that the mask has
template <typename Score>
__device__ inline void confidence_of(
    const Likely<Score>& at_points, const Mask& mask, const Taps* columns, const Taps* rows, unsigned char* likely) {
    const int x = blockIdx.x * TILE + threadIdx.x, tile_y = blockIdx.y * TILE;
    if (x >= mask.width) return;
    for (int i = threadIdx.y; i < TILE && tile_y + i < mask.height; i += THREADS_DOWN) {
        const size_t pixel = size_t(tile_y + i) * mask.width + x;
        const int class_id = mask.classes[pixel];
        const Taps column = columns[threadIdx.x], row = rows[i];
        const float here = interpolated(
            at_points.at(column.first, row.first, class_id), at_points.at(column.second, row.first, class_id),
            at_points.at(column.first, row.second, class_id), at_points.at(column.second, row.second, class_id),
            column, row);
        likely[pixel] = static_cast<unsigned char>(__float2int_rn(fminf(fmaxf(here, 0.0f), 255.0f)));
    }
}

#define CONFIDENCE(suffix, Score)                                                               \
    extern "C" __global__ void __launch_bounds__(GRID_THREADS) softmax_of_grid_##suffix(        \
        GRID_ARGUMENTS(Score), Softmax* softmax) {                                              \
        const Grid<Score> grid GRID;                                                            \
        softmax_of_grid(grid, softmax);                                                         \
    }                                                                                           \
    extern "C" __global__ void __launch_bounds__(TILE* THREADS_DOWN) confidence_##suffix(       \
        GRID_ARGUMENTS(Score), int activation, const Softmax* softmax, MASK_ARGUMENTS,          \
        unsigned char* likely) {                                                                \
        __shared__ Taps columns[TILE], rows[TILE];                                              \
        const Grid<Score> grid GRID;                                                            \
        find_taps(grid, {step_x, step_y, origin_x, origin_y}, columns, rows);                   \
        __syncthreads();                                                                        \
        confidence_of(Likely<Score>{grid, activation, softmax}, {classes, mask_w, mask_h, counts}, \
                      columns, rows, likely);                                                   \
    }
CONFIDENCE(float32, float)
CONFIDENCE(float16, __half)

// ---- Class ids

// ids      (…, grid_w) contiguous: class ids instead of scores, which can only be repeated
// points   how many ids there are
// columns  (mask_w) int32: the column of the grid that each column of the mask repeats
// rows     (mask_h) int32: the same for rows
struct Integers {
    const unsigned char* ids;
    int item_bytes;

    // The lowest byte, like a conversion to uint8.
    __device__ unsigned char at(size_t i) const { return ids[i * item_bytes]; }
};

template <typename Number>
struct Numbers {
    const Number* ids;

    __device__ unsigned char at(size_t i) const {
        return static_cast<unsigned char>(static_cast<int>(widened(ids[i])));
    }
};

template <typename Ids>
struct RepeatedId {
    Ids ids;
    int grid_w;
    const int *columns, *rows;

    __device__ int operator()(int column_index, int row_index) const {
        const int x = blockIdx.x * TILE + column_index, y = blockIdx.y * TILE + row_index;
        return ids.at(size_t(rows[y]) * grid_w + columns[x]);
    }
};

#define ID_ARGUMENTS                                                                           \
    int points, int grid_w, const int *columns, const int *rows, unsigned char *classes, int mask_w,       \
        int mask_h, unsigned int *counts
extern "C" __global__ void __launch_bounds__(TILE* THREADS_DOWN)
    repeat_integers(const unsigned char* ids, int item_bytes, ID_ARGUMENTS) {
    fill_tile({classes, mask_w, mask_h, counts},
              RepeatedId<Integers>{{ids, item_bytes}, grid_w, columns, rows});
}
extern "C" __global__ void __launch_bounds__(TILE* THREADS_DOWN)
    repeat_float32(const float* ids, int, ID_ARGUMENTS) {
    count_bad(points, counts, [=](int i) { return widened(ids[i]); });
    fill_tile({classes, mask_w, mask_h, counts},
              RepeatedId<Numbers<float>>{{ids}, grid_w, columns, rows});
}
extern "C" __global__ void __launch_bounds__(TILE* THREADS_DOWN)
    repeat_float16(const __half* ids, int, ID_ARGUMENTS) {
    count_bad(points, counts, [=](int i) { return widened(ids[i]); });
    fill_tile({classes, mask_w, mask_h, counts},
              RepeatedId<Numbers<__half>>{{ids}, grid_w, columns, rows});
}

// One block of MAX_CLASSES threads.
extern "C" __global__ void clear_counts(unsigned int* counts) {
    counts[threadIdx.x] = 0;
    if (threadIdx.x == 0) counts[BAD_POINTS] = 0;
}
