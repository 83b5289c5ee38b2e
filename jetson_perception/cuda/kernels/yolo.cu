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
#include "candidates.cuh"
#include "floats.cuh"

constexpr int CLASS_LANES = 8;                           // threads that share an anchor's classes
constexpr int BLOCK_ANCHORS = THREADS / CLASS_LANES;

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

// ---------------------------------------------------------------- anchors

// Converts center and size to corners.
template <typename T>
__device__ inline float4 box_of_anchor(const Output<T>& output, int row) {
    return corners_around(output.at(row, 0), output.at(row, 1), output.at(row, 2), output.at(row, 3));
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
        put_candidate(work, i, box_of_anchor(output, row), score_of(sorted[i]), __ldcg(class_ids + row), row, frame);
    }
    if (threadIdx.x == 0) {
        work->sorted_count = found;
        work->candidate_count = 0;
    }
}

// ---------------------------------------------------------------- the result

// Writes those of the `kept_count` kept candidates that are visible in the image, with keypoints
// and coefficients. For a whole block.
template <typename T>
__device__ inline void write_result(
    const Output<T>& output, const Frame& frame, const int* kept, int kept_count, int first_keypoint_value,
    int keypoints, int keypoint_depth, int coefficient_count, Workspace* work, Detected* detected,
    float* coefficients, float* result) {
    const int row_values = ROW_VALUES + 3 * keypoints;
    float* rows = result + sizeof(Header) / sizeof(float);
    const int written = write_boxes(frame, kept, kept_count, row_values, work, detected, rows);
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
    if (!compare_all(count, frame, work)) return;
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
