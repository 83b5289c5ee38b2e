// Decodes a YOLO network's output into detections: scores, suppression, boxes and keypoints in
// pixels of the source image. Twin: tasks/yolo.py decode, with tasks/nms.py. Tied by
// test/cuda/test_yolo_kernel.py.
//
// There are two launches for outputs with anchors, one for end-to-end outputs:
//   find_candidates   All blocks compare the best class of each anchor with its score threshold,
//                     and list the anchors that pass, in any order. The last block to end selects
//                     the best MAX_CANDIDATES and sorts them by score and then by row, so that the
//                     order is always the same.
//   suppress          All blocks find which candidate covers which, a bit each. The last block to
//                     end keeps the best, drops those that it covers, and so on; it writes the
//                     result.
//   read_end_to_end   One block applies score thresholds to rows that need no suppression, sorts
//                     them and writes the result.
//
// output     values of `anchors` rows: value v of row r at r × row_stride + v × value_stride
// frame      what may change from frame to frame; it is in memory, so that launches can be repeated
// coefficients  of the detections' masks, (detections, coefficient_count), if there are any
// result     a Header, then rows of ROW_VALUES + 3 × keypoints floats: left, top, right, bottom,
//            score, class id (an int's bits), then x, y, score of each keypoint
//
// Outputs are float32 or float16; everything is computed in float32, rounded where NumPy rounds.
// The kernels differ from the twin if a score is -0, which counts as 0 even in float16.
#include "detections.cuh"
#include "floats.cuh"

constexpr int THREADS = 512;
constexpr int CLASS_LANES = 8;                           // threads that share an anchor's classes
constexpr int BLOCK_ANCHORS = THREADS / CLASS_LANES;
constexpr int MAX_CANDIDATES = 1000;                     // as in tasks/yolo.py
constexpr int SORTED = Detected::CAPACITY;               // a power of two that holds them
constexpr int WORD = 64;                                 // candidates in a word of overlaps
constexpr int WORDS = SORTED / WORD;
constexpr int OVERLAP_BLOCKS = WORDS * (WORDS + 1) / 2;  // each for WORD × WORD pairs, none twice
constexpr int ROW_VALUES = 6;
constexpr float INFINITE = __builtin_huge_valf();

typedef unsigned long long Bits;

// Zero before the first frame; every frame leaves the counters at zero. Candidates are in the order
// of their scores.
struct Workspace {
    unsigned candidate_count, find_blocks_ended, suppress_blocks_ended, sorted_count;
    int bad_scores, bad_boxes, bad_keypoints, bad_coefficients;  // as in a Header
    float4 box[SORTED];     // left, top, right, bottom, network pixels
    float needed[SORTED];   // a box covers another if they intersect by more than the sum of theirs
    float score[SORTED];
    int class_id[SORTED];
    int row[SORTED];
    Bits overlaps[SORTED * WORDS];  // word w of candidate i: which of w × 64 + (0 … 63) it covers
};
static_assert(sizeof(Workspace) <= 1 << 18, "cuda/yolo.py reserves 256 KiB");

template <typename T>
struct Output {
    const T* values;
    int row_stride, value_stride;

    __device__ T raw(int row, int value) const {
        return values[row * row_stride + value * value_stride];
    }
    __device__ float at(int row, int value) const { return widened(raw(row, value)); }
};

// Whether any class can pass with this objectness, as the twin checks it before it multiplies.
__device__ inline bool is_likely(float value, const Frame& frame) { return value >= frame.lowest; }
__device__ inline bool is_likely(__half value, const Frame& frame) {
    return static_cast<short>(__half_as_ushort(value)) >= frame.lowest_half;
}

__device__ inline bool passes(float score, int class_id, const Frame& frame) {
    return score >= frame.thresholds[min(class_id, frame.threshold_count - 1)];
}

// Larger is better: first the higher score, which is not negative, then the lower row. Never 0.
__device__ inline Bits key_of(float score, int row) {
    return static_cast<Bits>(__float_as_uint(score + 0.0f)) << 32 | ~static_cast<unsigned>(row);
}
__device__ inline int row_of(Bits key) { return static_cast<int>(~static_cast<unsigned>(key)); }
__device__ inline float score_of(Bits key) { return __uint_as_float(static_cast<unsigned>(key >> 32)); }

// ---------------------------------------------------------------- selecting and sorting

// The value that exactly `wanted` of the keys reach; all keys differ. It is found digit by digit,
// from the highest: a histogram shows in which digit's bin the value lies.
__device__ inline Bits selection_limit(const Bits* keys, int count, int wanted) {
    constexpr int BINS = 256;
    __shared__ int at_least[BINS];  // number of keys in this bin and those above
    __shared__ int chosen;
    Bits prefix = 0;
    for (int shift = 56;; shift -= 8) {
        if (threadIdx.x < BINS) at_least[threadIdx.x] = 0;
        __syncthreads();
        for (int i = threadIdx.x; i < count; i += THREADS) {
            const Bits key = __ldcg(keys + i);
            if (shift == 56 || key >> (shift + 8) == prefix) atomicAdd(&at_least[key >> shift & 255], 1);
        }
        __syncthreads();
        for (int step = 1; step < BINS; step *= 2) {
            const bool adds = threadIdx.x < BINS && threadIdx.x + step < BINS;
            const int above = adds ? at_least[threadIdx.x + step] : 0;
            __syncthreads();
            if (adds) at_least[threadIdx.x] += above;
            __syncthreads();
        }
        if (threadIdx.x < BINS) {
            const int above = threadIdx.x + 1 < BINS ? at_least[threadIdx.x + 1] : 0;
            if (above < wanted && at_least[threadIdx.x] >= wanted) chosen = threadIdx.x;
        }
        __syncthreads();
        const int digit = chosen, above = digit + 1 < BINS ? at_least[digit + 1] : 0;
        const bool exact = at_least[digit] == wanted;
        wanted -= above;
        prefix = prefix << 8 | digit;
        __syncthreads();
        if (exact || shift == 0) return prefix << shift;
    }
}

// Writes the best keys of a list to `sorted`, best first. Returns how many. For a whole block.
__device__ inline int select_and_sort(const Bits* keys, int count, Bits (&sorted)[SORTED]) {
    __shared__ int taken;
    const bool all = count <= MAX_CANDIDATES;
    const Bits limit = all ? 0 : selection_limit(keys, count, MAX_CANDIDATES);
    if (threadIdx.x == 0) taken = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < count; i += THREADS) {
        const Bits key = __ldcg(keys + i);
        if (key >= limit) sorted[all ? i : atomicAdd(&taken, 1)] = key;
    }
    const int found = all ? count : MAX_CANDIDATES;
    int size = 2;
    while (size < found) size *= 2;
    for (int i = found + threadIdx.x; i < size; i += THREADS) sorted[i] = 0;
    __syncthreads();
    // Bitonic sort: runs of `run` keys, alternately down and up, are merged into runs of twice that.
    for (int run = 2; run <= size; run *= 2) {
        for (int distance = run / 2; distance; distance /= 2) {
            for (int pair = threadIdx.x; pair < size / 2; pair += THREADS) {
                const int i = 2 * pair - (pair & (distance - 1));
                const Bits one = sorted[i], other = sorted[i + distance];
                if ((one < other) == ((i & run) == 0)) {
                    sorted[i] = other;
                    sorted[i + distance] = one;
                }
            }
            __syncthreads();
        }
    }
    return found;
}

// Whether this is the last of `blocks` blocks to reach this point; it sees what the others wrote.
__device__ inline bool is_last_block(unsigned* ended, unsigned blocks) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicInc(ended, blocks - 1) == blocks - 1;
    __syncthreads();
    if (last) __threadfence();
    return last;
}

// ---------------------------------------------------------------- anchors

// Converts center and size to corners.
template <typename T>
__device__ inline float4 box_of_anchor(const Output<T>& output, int row) {
    const float x = output.at(row, 0), y = output.at(row, 1);
    const float half_w = __fmul_rn(output.at(row, 2), 0.5f), half_h = __fmul_rn(output.at(row, 3), 0.5f);
    return make_float4(__fsub_rn(x, half_w), __fsub_rn(y, half_h), __fadd_rn(x, half_w), __fadd_rn(y, half_h));
}

__device__ inline bool is_finite(const float4& box) {
    return isfinite(box.x) && isfinite(box.y) && isfinite(box.z) && isfinite(box.w);
}

// The best of this thread's share of the classes; infinite if one of their scores is NaN.
template <typename T>
__device__ inline void best_class(
    const Output<T>& output, int row, int first, int class_count, int lane, float& best, int& best_id) {
    bool is_number = true;
#pragma unroll 4
    for (int c = lane; c < class_count; c += CLASS_LANES) {
        const float score = output.at(row, first + c);
        is_number = is_number && score == score;
        if (score > best) {
            best = score;
            best_id = c;
        }
    }
    if (!is_number) best = INFINITE;
}

template <typename T>
__device__ inline void find_candidates(
    const Output<T>& output, int anchors, int class_count, int has_objectness, const Frame& frame,
    Bits* keys, int* class_ids, Workspace* work) {
    __shared__ float scores[CLASS_LANES][BLOCK_ANCHORS + 1];
    __shared__ int ids[CLASS_LANES][BLOCK_ANCHORS + 1];
    // Consecutive threads read consecutive values.
    const bool values_follow = output.value_stride == 1;
    const int lane = values_follow ? threadIdx.x % CLASS_LANES : threadIdx.x / BLOCK_ANCHORS;
    const int slot = values_follow ? threadIdx.x / CLASS_LANES : threadIdx.x % BLOCK_ANCHORS;
    const int first = has_objectness ? 5 : 4;
    float best = -INFINITE;
    int best_id = class_count;
    {
        const int row = blockIdx.x * BLOCK_ANCHORS + slot;
        if (row < anchors && (!has_objectness || is_likely(output.raw(row, 4), frame)))
            best_class(output, row, first, class_count, lane, best, best_id);
    }
    scores[lane][slot] = best;
    ids[lane][slot] = best_id;
    __syncthreads();

    const int row = blockIdx.x * BLOCK_ANCHORS + threadIdx.x;
    if (threadIdx.x < BLOCK_ANCHORS && row < anchors) {
        best = -INFINITE;
        best_id = class_count;
        for (int i = 0; i < CLASS_LANES; ++i) {
            const float score = scores[i][threadIdx.x];
            const int id = ids[i][threadIdx.x];
            if (score > best || (score == best && id < best_id)) {
                best = score;
                best_id = id;
            }
        }
        const bool looked_at = !has_objectness || is_likely(output.raw(row, 4), frame);
        const bool bad_objectness = has_objectness && !isfinite(output.at(row, 4));
        if (bad_objectness || (looked_at && !isfinite(best))) {
            atomicAdd(&work->bad_scores, 1);
        } else if (looked_at) {
            const float score = has_objectness ? __fmul_rn(best, output.at(row, 4)) : best;
            if (passes(score, best_id, frame)) {
                const float4 box = box_of_anchor(output, row);
                if (is_finite(box) && isfinite(score)) {
                    keys[atomicAdd(&work->candidate_count, 1u)] = key_of(score, row);
                    class_ids[row] = best_id;
                } else {
                    atomicAdd(&work->bad_boxes, 1);
                }
            }
        }
    }
}

// Writes the list of candidates, best first, with what suppression needs. For a whole block.
template <typename T>
__device__ inline void sort_candidates(
    const Output<T>& output, const Frame& frame, const Bits* keys, const int* class_ids, Workspace* work) {
    __shared__ Bits sorted[SORTED];
    const int found = select_and_sort(keys, __ldcg(&work->candidate_count), sorted);
    for (int i = threadIdx.x; i < found; i += THREADS) {
        const int row = row_of(sorted[i]);
        const float4 box = box_of_anchor(output, row);
        const float area = __fmul_rn(fmaxf(__fsub_rn(box.z, box.x), 0.0f), fmaxf(__fsub_rn(box.w, box.y), 0.0f));
        work->box[i] = box;
        work->needed[i] = __fmul_rn(area, frame.needed_share);
        work->score[i] = score_of(sorted[i]);
        work->class_id[i] = __ldcg(class_ids + row);
        work->row[i] = row;
    }
    if (threadIdx.x == 0) {
        work->sorted_count = found;
        work->candidate_count = 0;
    }
}

// ---------------------------------------------------------------- suppression

// Sets the bits of the candidates of column block `columns` that each of row block `rows` covers.
__device__ inline void compare(int rows, int columns, int count, bool any_class, Workspace* work) {
    constexpr int PARTS = THREADS / WORD, PART = WORD / PARTS;  // a byte of the word per thread
    __shared__ float4 box[WORD];
    __shared__ float needed[WORD];
    __shared__ int class_id[WORD];
    __shared__ Bits words[WORD];
    const int first_column = columns * WORD;
    if (threadIdx.x < WORD && first_column + threadIdx.x < count) {
        box[threadIdx.x] = __ldcg(work->box + first_column + threadIdx.x);
        needed[threadIdx.x] = __ldcg(work->needed + first_column + threadIdx.x);
        class_id[threadIdx.x] = __ldcg(work->class_id + first_column + threadIdx.x);
    }
    __syncthreads();
    const int slot = threadIdx.x % WORD, part = threadIdx.x / WORD, row = rows * WORD + slot;
    unsigned covered = 0;
    if (row < count) {
        const float4 own = __ldcg(work->box + row);
        const float own_needed = __ldcg(work->needed + row);
        const int own_class = __ldcg(work->class_id + row);
        for (int i = 0; i < PART; ++i) {
            const int j = part * PART + i;
            if (first_column + j >= count || first_column + j <= row) continue;
            const float4 other = box[j];
            const float width = fmaxf(__fsub_rn(fminf(own.z, other.z), fmaxf(own.x, other.x)), 0.0f);
            const float height = __fsub_rn(fminf(own.w, other.w), fmaxf(own.y, other.y));
            const bool covers = __fmul_rn(width, height) > __fadd_rn(own_needed, needed[j]);
            covered |= static_cast<unsigned>(covers && (any_class || own_class == class_id[j])) << i;
        }
    }
    reinterpret_cast<unsigned char*>(words + slot)[part] = static_cast<unsigned char>(covered);
    __syncthreads();
    if (threadIdx.x < WORD && rows * WORD + threadIdx.x < count)
        work->overlaps[(rows * WORD + threadIdx.x) * WORDS + columns] = words[threadIdx.x];
}

// Writes the candidates that stay to `kept`, in order. Returns how many. For a whole block.
__device__ inline int keep_best(const Workspace* work, int count, int most, int (&kept)[SORTED]) {
    __shared__ Bits dropped[WORDS], own_word[WORD], stays;
    __shared__ int kept_count;
    if (threadIdx.x < WORDS) dropped[threadIdx.x] = 0;
    if (threadIdx.x == 0) kept_count = 0;
    __syncthreads();
    for (int word = 0; word * WORD < count; ++word) {
        const int first = word * WORD, here = min(WORD, count - first);
        if (threadIdx.x < here)
            own_word[threadIdx.x] = __ldcg(work->overlaps + (first + threadIdx.x) * WORDS + word);
        __syncthreads();
        if (threadIdx.x == 0) {
            Bits left = ~dropped[word] & (~Bits(0) >> (WORD - here)), staying = 0;
            int n = kept_count;
            while (left && n < most) {
                const int i = __ffsll(left) - 1;
                kept[n++] = first + i;
                staying |= Bits(1) << i;
                left &= ~(own_word[i] | Bits(1) << i);
            }
            kept_count = n;
            stays = staying;
        }
        __syncthreads();
        if (kept_count >= most) break;
        const int later = threadIdx.x % WORDS;
        if (later > word && later * WORD < count) {
            Bits covered = 0;
            for (int i = threadIdx.x / WORDS; i < here; i += THREADS / WORDS)
                if (stays >> i & 1) covered |= __ldcg(work->overlaps + (first + i) * WORDS + later);
            if (covered) atomicOr(&dropped[later], covered);
        }
        __syncthreads();
    }
    return kept_count;
}

// ---------------------------------------------------------------- the result

__device__ inline float4 box_in_source(const float4& box, const Frame& frame) {
    const float left = __fmul_rn(__fsub_rn(box.x, frame.offset_x), frame.scale_x);
    const float top = __fmul_rn(__fsub_rn(box.y, frame.offset_y), frame.scale_y);
    const float right = __fmul_rn(__fsub_rn(box.z, frame.offset_x), frame.scale_x);
    const float bottom = __fmul_rn(__fsub_rn(box.w, frame.offset_y), frame.scale_y);
    return make_float4(fminf(fmaxf(left, 0.0f), frame.source_w), fminf(fmaxf(top, 0.0f), frame.source_h),
                       fminf(fmaxf(right, 0.0f), frame.source_w), fminf(fmaxf(bottom, 0.0f), frame.source_h));
}

// Position of each thread with a flag among all threads with a flag. For a whole block.
__device__ inline int compacted(bool flag, int& total) {
    constexpr int WARPS = THREADS / 32;
    __shared__ int in_warp[WARPS];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const unsigned flags = __ballot_sync(~0u, flag);
    if (lane == 0) in_warp[warp] = __popc(flags);
    __syncthreads();
    int before = __popc(flags & ((1u << lane) - 1));
    total = 0;
    for (int i = 0; i < WARPS; ++i) {
        if (i < warp) before += in_warp[i];
        total += in_warp[i];
    }
    __syncthreads();
    return before;
}

// Writes those of the `kept_count` kept candidates that are visible in the image. For a whole
// block.
template <typename T>
__device__ inline void write_result(
    const Output<T>& output, const Frame& frame, const int* kept, int kept_count, int first_keypoint_value,
    int keypoints, int keypoint_depth, int coefficient_count, Workspace* work, Detected* detected,
    float* coefficients, float* result) {
    const int row_values = ROW_VALUES + 3 * keypoints;
    float* rows = result + sizeof(Header) / sizeof(float);
    int written = 0;
    for (int start = 0; start < kept_count; start += THREADS) {
        const int i = start + threadIdx.x;
        const int candidate = i < kept_count ? kept[i] : 0;
        float4 box = make_float4(0, 0, 0, 0);
        if (i < kept_count) box = box_in_source(__ldcg(work->box + candidate), frame);
        const bool shows = box.z > box.x && box.w > box.y;
        int total;
        const int position = written + compacted(shows, total);
        if (shows) {
            float* row = rows + position * row_values;
            row[0] = box.x;
            row[1] = box.y;
            row[2] = box.z;
            row[3] = box.w;
            row[4] = __ldcg(work->score + candidate);
            row[5] = __int_as_float(__ldcg(work->class_id + candidate));
            detected->row[position] = __ldcg(work->row + candidate);
            detected->box[position] = box;
        }
        written += total;
    }
    if (threadIdx.x == 0) detected->count = written;
    __syncthreads();
    for (int i = threadIdx.x; i < written * keypoints; i += THREADS) {
        const int position = i / keypoints, point = i % keypoints;
        const int row = detected->row[position], first = first_keypoint_value + point * keypoint_depth;
        const float x = __fmul_rn(__fsub_rn(output.at(row, first), frame.offset_x), frame.scale_x);
        const float y = __fmul_rn(__fsub_rn(output.at(row, first + 1), frame.offset_y), frame.scale_y);
        const float score = keypoint_depth == 3 ? output.at(row, first + 2) : 1.0f;
        if (!isfinite(x) || !isfinite(y) || !isfinite(score)) atomicAdd(&work->bad_keypoints, 1);
        float* to = rows + position * row_values + ROW_VALUES + 3 * point;
        to[0] = fminf(fmaxf(x, 0.0f), frame.source_w);
        to[1] = fminf(fmaxf(y, 0.0f), frame.source_h);
        to[2] = score;
    }
    for (int i = threadIdx.x; i < written * coefficient_count; i += THREADS) {
        const int row = detected->row[i / coefficient_count];
        const float coefficient = output.at(row, first_keypoint_value + i % coefficient_count);
        if (!isfinite(coefficient)) atomicAdd(&work->bad_coefficients, 1);
        coefficients[i] = coefficient;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        *reinterpret_cast<Header*>(result) = {
            written,
            __ldcg(&work->bad_scores),
            __ldcg(&work->bad_boxes),
            __ldcg(&work->bad_keypoints),
            __ldcg(&work->bad_coefficients),
            0,
            {0, 0}};
        work->bad_scores = work->bad_boxes = work->bad_keypoints = work->bad_coefficients = 0;
    }
}

// ---------------------------------------------------------------- launches

// Grid: BLOCK_ANCHORS anchors per block. keys and class_ids have room for all anchors.
template <typename T>
__device__ inline void find_and_sort(
    const Output<T>& output, int anchors, int class_count, int has_objectness, const Frame& frame,
    Bits* keys, int* class_ids, Workspace* work) {
    find_candidates(output, anchors, class_count, has_objectness, frame, keys, class_ids, work);
    if (is_last_block(&work->find_blocks_ended, gridDim.x))
        sort_candidates(output, frame, keys, class_ids, work);
}

// Grid: OVERLAP_BLOCKS.
template <typename T>
__device__ inline void suppress(
    const Output<T>& output, int first_keypoint_value, int keypoints, int keypoint_depth, int coefficient_count,
    const Frame& frame, Workspace* work, Detected* detected, float* coefficients, float* result) {
    __shared__ int kept[SORTED];
    const int count = work->sorted_count;
    int columns = 0, rows = blockIdx.x;
    while (rows > columns) rows -= ++columns;  // block 0: (0, 0), then (0, 1), (1, 1), (0, 2) …
    if (columns * WORD < count) compare(rows, columns, count, frame.class_agnostic, work);
    if (!is_last_block(&work->suppress_blocks_ended, OVERLAP_BLOCKS)) return;
    const int kept_count = keep_best(work, count, frame.max_detections, kept);
    write_result(output, frame, kept, kept_count, first_keypoint_value, keypoints, keypoint_depth, coefficient_count,
                 work, detected, coefficients, result);
}

// Grid: one block. keys has room for all rows. A row has left, top, right, bottom, score, class,
// and keypoints or coefficients.
template <typename T>
__device__ inline void read_end_to_end(
    const Output<T>& output, int count, float class_limit, int keypoints, int keypoint_depth,
    int coefficient_count, const Frame& frame, Bits* keys, Workspace* work, Detected* detected,
    float* coefficients, float* result) {
    __shared__ Bits sorted[SORTED];
    __shared__ int kept[SORTED];
    __shared__ int passed;
    if (threadIdx.x == 0) passed = 0;
    __syncthreads();
    for (int row = threadIdx.x; row < count; row += THREADS) {
        const float score = output.at(row, 4), class_id = output.at(row, 5);
        if (!isfinite(score)) atomicAdd(&work->bad_scores, 1);
        if (!isfinite(score) || score < frame.lowest) continue;
        bool finite = isfinite(class_id);
        if (finite) {
            if (class_id < 0.0f || class_id >= class_limit) continue;
            if (!passes(score, static_cast<int>(class_id), frame)) continue;
        }
        for (int i = 0; i < 4; ++i) finite = finite && isfinite(output.at(row, i));
        if (finite) keys[atomicAdd(&passed, 1)] = key_of(score, row);
        else atomicAdd(&work->bad_boxes, 1);
    }
    __syncthreads();
    const int found = min(select_and_sort(keys, passed, sorted), frame.max_detections);
    for (int i = threadIdx.x; i < found; i += THREADS) {
        const int row = row_of(sorted[i]);
        kept[i] = i;
        work->box[i] = make_float4(output.at(row, 0), output.at(row, 1), output.at(row, 2), output.at(row, 3));
        work->score[i] = score_of(sorted[i]);
        work->class_id[i] = static_cast<int>(output.at(row, 5));
        work->row[i] = row;
    }
    __syncthreads();
    write_result(output, frame, kept, found, ROW_VALUES, keypoints, keypoint_depth, coefficient_count,
                 work, detected, coefficients, result);
}

#define YOLO(suffix, T)                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS) find_candidates_##suffix(                \
        const T* output, int row_stride, int value_stride, int anchors, int class_count,           \
        int has_objectness, const Frame* frame, Bits* keys, int* class_ids, Workspace* work) {     \
        find_and_sort(Output<T>{output, row_stride, value_stride}, anchors, class_count,           \
                      has_objectness, *frame, keys, class_ids, work);                              \
    }                                                                                              \
    extern "C" __global__ void __launch_bounds__(THREADS) suppress_##suffix(                       \
        const T* output, int row_stride, int value_stride, int first_keypoint_value, int keypoints,\
        int keypoint_depth, int coefficient_count, const Frame* frame, Workspace* work,            \
        Detected* detected, float* coefficients, float* result) {                                  \
        suppress(Output<T>{output, row_stride, value_stride}, first_keypoint_value, keypoints,     \
                 keypoint_depth, coefficient_count, *frame, work, detected, coefficients, result); \
    }                                                                                              \
    extern "C" __global__ void __launch_bounds__(THREADS) read_end_to_end_##suffix(                \
        const T* output, int row_stride, int value_stride, int count, float class_limit,           \
        int keypoints, int keypoint_depth, int coefficient_count, const Frame* frame, Bits* keys,  \
        Workspace* work, Detected* detected, float* coefficients, float* result) {                 \
        read_end_to_end(Output<T>{output, row_stride, value_stride}, count, class_limit,           \
                        keypoints, keypoint_depth, coefficient_count, *frame, keys, work, detected,\
                        coefficients, result);                                                     \
    }
YOLO(float32, float)
YOLO(float16, __half)
