// Finds oriented boxes in the output of Ultralytics' OBB networks. Twin: tasks/oriented_boxes.py
// decode_oriented. Tied by test/cuda/test_oriented_boxes_kernel.py.
//
// There are two launches for outputs with anchors, one for end-to-end outputs:
//   find_oriented      A thread a row compares its best class with its threshold; the last block to
//                      end sorts those that pass. Without suppression, it writes the result.
//   suppress_oriented  All blocks find which candidate covers which, a bit each. The last block to
//                      end drops what any better one covers, dropped or not, and writes the result.
//
// output     values of `rows` rows: value v of row r at r × row_stride + v × value_stride; center,
//            size, then a score a class and the angle, or score, class and angle
// result     an OrientedHeader, then rows of TURNED_VALUES floats: left, top, right, bottom, score,
//            class id (an int's bits), then center, size and angle
//
// Outputs are float32 or float16; everything is computed in float32, in the order of NumPy.
#include "candidates.cuh"
#include "floats.cuh"

constexpr int TURNED_VALUES = ROW_VALUES + 5;
constexpr int BOX_VALUES = 5;
constexpr float EPSILON = 1e-7f;
constexpr float LEAST_SIZE = 1e-3f, FARTHEST = 1e5f;
constexpr float PI = 3.14159265358979f;

// What the candidates of a Workspace have besides; their boxes are center and size.
struct Turned {
    float angle[SORTED];
    float xx[SORTED], yy[SORTED], xy[SORTED];  // variances and covariance of points all over a box
};
static_assert(sizeof(Turned) <= 1 << 15, "cuda/oriented_boxes.py reserves 32 KiB");

// cuda/oriented_boxes.py has the same as a NumPy dtype. `bad` is not finite; if there are any, the
// result is meaningless.
struct OrientedHeader {
    int count, bad_classes, bad_scores, bad_values;
    int chosen;  // rows whose boxes were read
    int unused[3];
};
static_assert(sizeof(OrientedHeader) == sizeof(Header), "cuda/detection_blocks.py takes one for the other");

template <typename T>
struct Rows {
    const T* values;
    int row_stride, value_stride, class_count, class_limit, end_to_end;

    __device__ float at(int row, int value) const { return widened(values[row * row_stride + value * value_stride]); }
    __device__ float box_value(int row, int i) const {
        return at(row, i < 4 ? i : end_to_end ? 6 : 4 + class_count);
    }
    // Whether a row has a size, and is not so far or so large that products overflow.
    __device__ bool is_box(int row) const {
        bool near = at(row, 2) >= LEAST_SIZE && at(row, 3) >= LEAST_SIZE;
        for (int i = 0; i < 4; ++i) near = near && fabsf(at(row, i)) <= FARTHEST;
        return near;
    }
};

// ---------------------------------------------------------------- candidates

// Score and class of a row; the score is NaN or infinite if what decides it is.
template <typename T>
__device__ inline float best_of_row(const Rows<T>& rows, int row, int& id, Workspace* work) {
    if (rows.end_to_end) {
        const float given = rows.at(row, 5);
        if (!isfinite(given)) atomicAdd(&work->bad_classes, 1);
        id = isfinite(given) && fabsf(given) < 2147483648.0f ? static_cast<int>(given) : -1;
        return rows.at(row, 4);
    }
    float best = rows.at(row, 4);
    id = 0;
    bool numbers = best == best;
    for (int c = 1; c < rows.class_count; ++c) {
        const float score = rows.at(row, 4 + c);
        numbers = numbers && score == score;
        if (score > best) {
            best = score;
            id = c;
        }
    }
    return numbers ? best : INFINITE;
}

template <typename T>
__device__ inline void list_rows(
    const Rows<T>& rows, int count, const Frame& frame, Bits* keys, int* class_ids, Workspace* work) {
    const int row = blockIdx.x * THREADS + threadIdx.x;
    if (row >= count) return;
    int id;
    const float score = best_of_row(rows, row, id, work);
    if (!isfinite(score)) {
        atomicAdd(&work->bad_scores, 1);
        return;
    }
    if (id < 0 || id >= rows.class_limit || !passes(score, id, frame)) return;
    int bad = 0;
    for (int i = 0; i < BOX_VALUES; ++i) bad += !isfinite(rows.box_value(row, i));
    if (bad) atomicAdd(&work->bad_boxes, bad);
    atomicAdd(&work->chosen, 1);
    if (!rows.is_box(row)) return;
    class_ids[row] = id;
    keys[atomicAdd(&work->candidate_count, 1u)] = key_of(score, row);
}

// Writes the list of candidates, best first; returns how many. For a whole block.
template <typename T>
__device__ inline int sort_rows(
    const Rows<T>& rows, const Bits* keys, const int* class_ids, Workspace* work, Turned* turned) {
    __shared__ Bits sorted[SORTED];
    const int found = select_and_sort(keys, __ldcg(&work->candidate_count), sorted);
    for (int i = threadIdx.x; i < found; i += THREADS) {
        const int row = row_of(sorted[i]);
        const float w = rows.box_value(row, 2), h = rows.box_value(row, 3), angle = rows.box_value(row, 4);
        const float along = w * w / 12.0f, across = h * h / 12.0f;
        const float cosine = cosf(angle), sine = sinf(angle);
        work->box[i] = make_float4(rows.box_value(row, 0), rows.box_value(row, 1), w, h);
        work->score[i] = score_of(sorted[i]);
        work->class_id[i] = __ldcg(class_ids + row);
        turned->angle[i] = angle;
        turned->xx[i] = along * cosine * cosine + across * sine * sine;
        turned->yy[i] = along * sine * sine + across * cosine * cosine;
        turned->xy[i] = (along - across) * cosine * sine;
    }
    if (threadIdx.x == 0) {
        work->sorted_count = found;
        work->candidate_count = 0;
    }
    __syncthreads();
    return found;
}

// ---------------------------------------------------------------- suppression

// A box as a normal distribution.
struct Spread {
    float x, y, xx, yy, xy;
};

__device__ inline Spread spread_of(const Workspace* work, const Turned* turned, int i) {
    const float4 box = __ldcg(work->box + i);
    return {box.x, box.y, __ldcg(turned->xx + i), __ldcg(turned->yy + i), __ldcg(turned->xy + i)};
}

// Whether two overlap by more: one minus the Hellinger distance.
__device__ inline bool overlap_more(const Spread& one, const Spread& other, float threshold) {
    const float xx = one.xx + other.xx, yy = one.yy + other.yy, xy = one.xy + other.xy;
    const float determinant = fmaxf(xx * yy - xy * xy, 0.0f);
    const float dx = one.x - other.x, dy = one.y - other.y;
    const float shift = (yy * dx * dx + xx * dy * dy - 2.0f * xy * dx * dy) / (4.0f * (determinant + EPSILON));
    const float one_area = fmaxf(one.xx * one.yy - one.xy * one.xy, 0.0f);
    const float other_area = fmaxf(other.xx * other.yy - other.xy * other.xy, 0.0f);
    const float shape = determinant / (4.0f * sqrtf(one_area * other_area) + EPSILON) + EPSILON;
    const float sum = shift + logf(shape) / 2.0f;
    const float distance = fminf(fmaxf(sum, EPSILON), 100.0f);
    return sum == sum && 1.0f - sqrtf(1.0f - expf(-distance) + EPSILON) > threshold;
}

// Sets the bits of the candidates of column block `columns` that each of row block `rows` covers.
__device__ inline void compare_turned(
    int rows, int columns, int count, const Frame& frame, Workspace* work, const Turned* turned) {
    constexpr int PARTS = THREADS / WORD, PART = WORD / PARTS;  // a byte of the word per thread
    __shared__ Spread spread[WORD];
    __shared__ int class_id[WORD];
    __shared__ Bits words[WORD];
    const int first_column = columns * WORD;
    if (threadIdx.x < WORD && first_column + threadIdx.x < count) {
        spread[threadIdx.x] = spread_of(work, turned, first_column + threadIdx.x);
        class_id[threadIdx.x] = __ldcg(work->class_id + first_column + threadIdx.x);
    }
    __syncthreads();
    const int slot = threadIdx.x % WORD, part = threadIdx.x / WORD, row = rows * WORD + slot;
    unsigned covered = 0;
    if (row < count) {
        const Spread own = spread_of(work, turned, row);
        const int own_class = __ldcg(work->class_id + row);
        for (int i = 0; i < PART; ++i) {
            const int j = part * PART + i;
            if (first_column + j >= count || first_column + j <= row) continue;
            if (!frame.class_agnostic && own_class != class_id[j]) continue;
            covered |= static_cast<unsigned>(overlap_more(own, spread[j], frame.iou_threshold)) << i;
        }
    }
    reinterpret_cast<unsigned char*>(words + slot)[part] = static_cast<unsigned char>(covered);
    __syncthreads();
    if (threadIdx.x < WORD && rows * WORD + threadIdx.x < count)
        work->overlaps[(rows * WORD + threadIdx.x) * WORDS + columns] = words[threadIdx.x];
}

// Writes the candidates that no better one covers to `kept`, in order; returns how many. For a
// whole block.
__device__ inline int keep_uncovered(const Workspace* work, int count, int (&kept)[SORTED]) {
    __shared__ Bits dropped[WORDS];
    if (threadIdx.x < WORDS) dropped[threadIdx.x] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < count * WORDS; i += THREADS) {
        const int row = i / WORDS, word = i % WORDS;
        if (word < row / WORD || word * WORD >= count) continue;
        const Bits covered = __ldcg(work->overlaps + i);
        if (covered) atomicOr(&dropped[word], covered);
    }
    __syncthreads();
    int written = 0;
    for (int start = 0; start < count; start += THREADS) {
        const int i = start + threadIdx.x;
        const bool stays = i < count && !(dropped[i / WORD] >> (i % WORD) & 1);
        int total;
        const int position = written + compacted(stays, total);
        if (stays) kept[position] = i;
        written += total;
    }
    __syncthreads();
    return written;
}

// ---------------------------------------------------------------- the result

// A box in the source image: the angle is that of the side that was the width.
struct InSource {
    float4 around;  // left, top, right, bottom, clipped
    float x, y, w, h, angle;
    bool shows;

    __device__ InSource(const float4& box, float turned_by, const Frame& frame) {
        x = (box.x - frame.offset_x) * frame.scale_x;
        y = (box.y - frame.offset_y) * frame.scale_y;
        angle = turned_by;
        const float cosine = cosf(angle), sine = sinf(angle);
        w = box.z * hypotf(cosine * frame.scale_x, sine * frame.scale_y);
        h = box.w * hypotf(-sine * frame.scale_x, cosine * frame.scale_y);
        if (frame.scale_x != frame.scale_y) {
            const float change = atan2f(sine * frame.scale_y, cosine * frame.scale_x) - angle + PI;
            const float rest = fmodf(change, 2.0f * PI);
            angle += (rest < 0.0f ? rest + 2.0f * PI : rest) - PI;
        }
        enclose(frame);
    }

    __device__ void enclose(const Frame& frame) {
        const float cosine = cosf(angle), sine = sinf(angle);
        const float along_x = cosine * w / 2.0f, along_y = sine * w / 2.0f;
        const float across_x = -sine * h / 2.0f, across_y = cosine * h / 2.0f;
        const float xs[4] = {x - along_x - across_x, x + along_x - across_x, x + along_x + across_x, x - along_x + across_x};
        const float ys[4] = {y - along_y - across_y, y + along_y - across_y, y + along_y + across_y, y - along_y + across_y};
        float4 box = make_float4(xs[0], ys[0], xs[0], ys[0]);
        bool numbers = true;
        for (int i = 0; i < 4; ++i) {
            numbers = numbers && xs[i] == xs[i] && ys[i] == ys[i];
            box = make_float4(fminf(box.x, xs[i]), fminf(box.y, ys[i]), fmaxf(box.z, xs[i]), fmaxf(box.w, ys[i]));
        }
        around = make_float4(fminf(fmaxf(box.x, 0.0f), frame.source_w), fminf(fmaxf(box.y, 0.0f), frame.source_h),
                             fminf(fmaxf(box.z, 0.0f), frame.source_w), fminf(fmaxf(box.w, 0.0f), frame.source_h));
        shows = numbers && around.z > around.x && around.w > around.y;
    }
};

// Writes those of the kept candidates that are visible, and leaves the counters at zero. For a
// whole block.
__device__ inline void write_turned(
    const Frame& frame, const int* kept, int kept_count, Workspace* work, const Turned* turned, float* result) {
    float* rows = result + sizeof(OrientedHeader) / sizeof(float);
    int written = 0;
    for (int start = 0; start < kept_count; start += THREADS) {
        const int i = start + threadIdx.x, candidate = i < kept_count ? kept[i] : 0;
        const InSource found(__ldcg(work->box + candidate), __ldcg(turned->angle + candidate), frame);
        const bool shows = i < kept_count && found.shows;
        int total;
        const int position = written + compacted(shows, total);
        if (shows) {
            const float values[TURNED_VALUES] = {
                found.around.x, found.around.y, found.around.z, found.around.w, __ldcg(work->score + candidate),
                __int_as_float(__ldcg(work->class_id + candidate)), found.x, found.y, found.w, found.h, found.angle};
            for (int value = 0; value < TURNED_VALUES; ++value) rows[position * TURNED_VALUES + value] = values[value];
        }
        written += total;
    }
    if (threadIdx.x) return;
    *reinterpret_cast<OrientedHeader*>(result) = {
        written, __ldcg(&work->bad_classes), __ldcg(&work->bad_scores), __ldcg(&work->bad_boxes),
        __ldcg(&work->chosen), {0, 0, 0}};
    work->bad_classes = work->bad_scores = work->bad_boxes = work->chosen = 0;
}

// ---------------------------------------------------------------- launches

// Grid: THREADS rows per block. keys and class_ids have room for all rows.
template <typename T>
__device__ inline void find(
    const Rows<T>& rows, int count, const Frame& frame, Bits* keys, int* class_ids, Workspace* work,
    Turned* turned, float* result) {
    __shared__ int kept[SORTED];
    list_rows(rows, count, frame, keys, class_ids, work);
    if (!is_last_block(&work->find_blocks_ended, gridDim.x)) return;
    const int found = sort_rows(rows, keys, class_ids, work, turned);
    if (!rows.end_to_end) return;
    const int kept_count = min(found, frame.max_detections);
    for (int i = threadIdx.x; i < kept_count; i += THREADS) kept[i] = i;
    __syncthreads();
    write_turned(frame, kept, kept_count, work, turned, result);
}

#define FIND(suffix, T)                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS) find_oriented_##suffix(                  \
        const T* output, int row_stride, int value_stride, int count, int class_count,             \
        int class_limit, int end_to_end, const Frame* frame, Bits* keys, int* class_ids,           \
        Workspace* work, Turned* turned, float* result) {                                          \
        find(Rows<T>{output, row_stride, value_stride, class_count, class_limit, end_to_end}, count, \
             *frame, keys, class_ids, work, turned, result);                                       \
    }
FIND(float32, float)
FIND(float16, __half)

// Grid: OVERLAP_BLOCKS.
extern "C" __global__ void __launch_bounds__(THREADS) suppress_oriented(
    const Frame* frame, Workspace* work, Turned* turned, float* result) {
    __shared__ int kept[SORTED];
    const int count = work->sorted_count;
    int columns = 0, rows = blockIdx.x;
    while (rows > columns) rows -= ++columns;  // as compare_all
    if (columns * WORD < count) compare_turned(rows, columns, count, *frame, work, turned);
    if (!is_last_block(&work->suppress_blocks_ended, OVERLAP_BLOCKS)) return;
    const int kept_count = min(keep_uncovered(work, count, kept), frame->max_detections);
    write_turned(*frame, kept, kept_count, work, turned, result);
}
