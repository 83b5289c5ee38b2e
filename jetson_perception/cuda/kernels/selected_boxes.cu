// Finds detections where ONNX's NonMaxSuppression in the network selected boxes. Twin:
// tasks/selected_boxes.py decode_selected. Tied by test/cuda/test_selected_boxes_kernel.py.
//
// There is one launch: a thread a row looks up score and box, and lists the rows that reach their
// threshold. The last block to end sorts what was listed, and writes the result.
//
// indices    (rows, 3): image, class, box. Rows of another image than the first, and those with a
//            negative box, count for nothing
// boxes      (box_count, 4), and scores (class_count, box_count), of the first image
// keys       room for all rows
// result     a SelectedHeader, then rows of ROW_VALUES floats, as in yolo.cu
//
// Indices are int32 or int64, boxes and scores float32 or float16; everything is computed in
// float32, rounded where NumPy rounds.
#include "candidates.cuh"
#include "values.cuh"

// cuda/selected_boxes.py has the same as a NumPy dtype. If anything is bad, the result is
// meaningless.
struct SelectedHeader {
    int count;
    int beyond;      // rows with a class or box that there is not
    int bad_scores;  // rows whose score, or whose box, is not finite
    int bad_boxes;
    int used_rows;   // those that count
    int chosen;      // those whose boxes were read
    int unused[2];
};
static_assert(sizeof(SelectedHeader) == sizeof(Header), "cuda/detection_blocks.py takes one for the other");

// What the network selected, and from what.
struct Selection {
    const void *indices, *boxes, *scores;
    int index_kind, box_kind, score_kind, rows, box_count, class_count;
    int centers, rows_first;  // whether boxes are center and size; whether y comes before x
    float unit_x, unit_y;     // network pixels a unit of coordinates

    __device__ long long index(int row, int value) const {
        const int i = 3 * row + value;
        return index_kind == INT32 ? static_cast<const int*>(indices)[i] : static_cast<const long long*>(indices)[i];
    }
    __device__ int class_id(int row) const { return static_cast<int>(index(row, 1)); }
    __device__ float box_value(int row, int i) const {
        return read_value(boxes, box_kind, 4 * static_cast<int>(index(row, 2)) + i);
    }
    __device__ bool counts(int row) const { return index(row, 0) == 0 && index(row, 2) >= 0; }
    __device__ bool is_beyond(int row) const {
        return index(row, 2) >= box_count || index(row, 1) < 0 || index(row, 1) >= class_count;
    }
    __device__ float score(int row) const {
        return read_value(scores, score_kind, class_id(row) * box_count + static_cast<int>(index(row, 2)));
    }
    __device__ bool has_finite_box(int row) const {
        bool finite = true;
        for (int i = 0; i < 4; ++i) finite = finite && isfinite(box_value(row, i));
        return finite;
    }
    // Corners in network pixels.
    __device__ float4 box(int row) const {
        const int x = rows_first, y = 1 - rows_first;
        float4 box = make_float4(box_value(row, x), box_value(row, y), box_value(row, 2 + x), box_value(row, 2 + y));
        if (centers) box = corners_around(box.x, box.y, box.z, box.w);
        return make_float4(__fmul_rn(box.x, unit_x), __fmul_rn(box.y, unit_y), __fmul_rn(box.z, unit_x), __fmul_rn(box.w, unit_y));
    }
};

__device__ inline void list_row(const Selection& selection, int row, const Frame& frame, Bits* keys, Workspace* work) {
    if (row >= selection.rows || !selection.counts(row)) return;
    atomicAdd(&work->used_rows, 1);
    if (selection.is_beyond(row)) {
        atomicAdd(&work->bad_classes, 1);
        return;
    }
    const float score = selection.score(row);
    if (!isfinite(score)) {
        atomicAdd(&work->bad_scores, 1);
        return;
    }
    if (!passes(score, selection.class_id(row), frame)) return;
    atomicAdd(&work->chosen, 1);
    if (selection.has_finite_box(row)) keys[atomicAdd(&work->candidate_count, 1u)] = key_of(score, row);
    else atomicAdd(&work->bad_boxes, 1);
}

// Sorts what was listed, writes the result, and leaves the counters at zero. For a whole block.
__device__ inline void write_selected(
    const Selection& selection, const Frame& frame, const Bits* keys, Workspace* work, Detected* detected,
    float* result) {
    __shared__ Bits sorted[SORTED];
    __shared__ int kept[SORTED];
    const int listed = select_and_sort(keys, __ldcg(&work->candidate_count), sorted);
    const int kept_count = min(listed, frame.max_detections);
    for (int i = threadIdx.x; i < kept_count; i += THREADS) {
        const int row = row_of(sorted[i]);
        put_candidate(work, i, selection.box(row), score_of(sorted[i]), selection.class_id(row), row, frame);
        kept[i] = i;
    }
    __syncthreads();
    float* rows = result + sizeof(SelectedHeader) / sizeof(float);
    const int written = write_boxes(frame, kept, kept_count, ROW_VALUES, work, detected, rows);
    if (threadIdx.x) return;
    *reinterpret_cast<SelectedHeader*>(result) = {
        written, __ldcg(&work->bad_classes), __ldcg(&work->bad_scores), __ldcg(&work->bad_boxes),
        __ldcg(&work->used_rows), __ldcg(&work->chosen), {0, 0}};
    work->candidate_count = 0;
    work->bad_classes = work->bad_scores = work->bad_boxes = work->used_rows = work->chosen = 0;
}

// Grid: THREADS rows per block.
extern "C" __global__ void __launch_bounds__(THREADS) find_selected(
    const void* indices, const void* boxes, const void* scores, int index_kind, int box_kind, int score_kind,
    int rows, int box_count, int class_count, int centers, int rows_first, float unit_x, float unit_y,
    const Frame* frame, Bits* keys, Workspace* work, Detected* detected, float* result) {
    const Selection selection{indices, boxes, scores, index_kind, box_kind, score_kind, rows, box_count,
                              class_count, centers, rows_first, unit_x, unit_y};
    list_row(selection, blockIdx.x * THREADS + threadIdx.x, *frame, keys, work);
    if (is_last_block(&work->find_blocks_ended, gridDim.x))
        write_selected(selection, *frame, keys, work, detected, result);
}
