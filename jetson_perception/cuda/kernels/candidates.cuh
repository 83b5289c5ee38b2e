// What all kernels that find objects share: boxes that may be detections are sorted by their score,
// suppressed, and written as a result in pixels of the source image. Twin of the suppression:
// tasks/nms.py.
#pragma once

#include "detections.cuh"

constexpr int THREADS = 512;
constexpr int MAX_CANDIDATES = 1000;                     // as in tasks/detection_options.py
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
    int bad_classes, bad_sizes, used_rows, chosen;               // as in a BoxHeader
    float4 box[SORTED];     // left, top, right, bottom, network pixels
    float needed[SORTED];   // a box covers another if they intersect by more than the sum of theirs
    float score[SORTED];
    int class_id[SORTED];
    int row[SORTED];
    Bits overlaps[SORTED * WORDS];  // word w of candidate i: which of w × 64 + (0 … 63) it covers
};
static_assert(sizeof(Workspace) <= 1 << 18, "cuda/detection_blocks.py reserves 256 KiB");

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

__device__ inline bool is_finite(const float4& box) {
    return isfinite(box.x) && isfinite(box.y) && isfinite(box.z) && isfinite(box.w);
}

// Left, top, right, bottom of a box that is center and size.
__device__ inline float4 corners_around(float x, float y, float width, float height) {
    const float half_w = __fmul_rn(width, 0.5f), half_h = __fmul_rn(height, 0.5f);
    return make_float4(__fsub_rn(x, half_w), __fsub_rn(y, half_h), __fadd_rn(x, half_w), __fadd_rn(y, half_h));
}

// Makes a box, in network pixels, the candidate at a place in the order.
__device__ inline void put_candidate(
    Workspace* work, int place, const float4& box, float score, int class_id, int row, const Frame& frame) {
    const float area = __fmul_rn(fmaxf(__fsub_rn(box.z, box.x), 0.0f), fmaxf(__fsub_rn(box.w, box.y), 0.0f));
    work->box[place] = box;
    work->needed[place] = __fmul_rn(area, frame.needed_share);
    work->score[place] = score;
    work->class_id[place] = class_id;
    work->row[place] = row;
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

// Finds which candidate covers which, each of OVERLAP_BLOCKS blocks its share. Whether this block is
// the last to end.
__device__ inline bool compare_all(int count, const Frame& frame, Workspace* work) {
    int columns = 0, rows = blockIdx.x;
    while (rows > columns) rows -= ++columns;  // block 0: (0, 0), then (0, 1), (1, 1), (0, 2) …
    if (columns * WORD < count) compare(rows, columns, count, frame.class_agnostic, work);
    return is_last_block(&work->suppress_blocks_ended, OVERLAP_BLOCKS);
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

// Writes those of the `kept_count` kept candidates that are visible in the image; returns how many.
// For a whole block.
__device__ inline int write_boxes(
    const Frame& frame, const int* kept, int kept_count, int row_values, const Workspace* work,
    Detected* detected, float* rows) {
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
    return written;
}
