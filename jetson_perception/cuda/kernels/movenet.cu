// Finds people in MoveNet's output. Twin: tasks/movenet.py decode_people. Tied by
// test/cuda/test_movenet_kernel.py.
//
// One launch of one block: six people at most, and KEYPOINTS keypoints of each.
//
// output     (6, 56): KEYPOINTS × y, x, score, then top, left, bottom, right, score; or, of one
//            person, (KEYPOINTS, 3). Coordinates are fractions of the network's input
// result     a PeopleHeader, then rows of ROW_VALUES + 3 × KEYPOINTS floats, as in yolo.cu
//
// Outputs are float32 or float16; everything is computed in float32, rounded where NumPy rounds.
#include "candidates.cuh"
#include "floats.cuh"

constexpr int KEYPOINTS = 17;
constexpr int MOST_PEOPLE = 6, PERSON_VALUES = 56, FIRST_BOX_VALUE = 3 * KEYPOINTS;
constexpr float LEAST_KEYPOINT_SCORE = 0.2f;  // as in tasks/movenet.py

// cuda/movenet.py has the same as a NumPy dtype. If a value is bad, the result is meaningless.
struct PeopleHeader {
    int count;
    int bad_values;  // those that are not finite
    int unused[6];
};
static_assert(sizeof(PeopleHeader) == sizeof(Header), "cuda/detection_blocks.py takes one for the other");

template <typename T>
struct People {
    const T* values;
    int several;

    __device__ int count() const { return several ? MOST_PEOPLE : 1; }
    __device__ int value_count() const { return several ? MOST_PEOPLE * PERSON_VALUES : 3 * KEYPOINTS; }
    __device__ float at(int person, int value) const { return widened(values[person * PERSON_VALUES + value]); }
    __device__ float y(int person, int point) const { return at(person, 3 * point); }
    __device__ float x(int person, int point) const { return at(person, 3 * point + 1); }
    __device__ float point_score(int person, int point) const { return at(person, 3 * point + 2); }

    __device__ float score(int person) const {
        return several ? at(person, FIRST_BOX_VALUE + 4) : mean_of_points();
    }
    // In the order in which NumPy adds.
    __device__ float mean_of_points() const {
        float sum[8];
        for (int i = 0; i < 8; ++i) sum[i] = __fadd_rn(point_score(0, i), point_score(0, 8 + i));
        for (int step = 1; step < 8; step *= 2)
            for (int i = 0; i < 8; i += 2 * step) sum[i] = __fadd_rn(sum[i], sum[i + step]);
        return __fdiv_rn(__fadd_rn(sum[0], point_score(0, 16)), static_cast<float>(KEYPOINTS));
    }
    // Left, top, right, bottom, as fractions.
    __device__ float4 box(int person) const {
        const int first = FIRST_BOX_VALUE;
        if (several)
            return make_float4(at(person, first + 1), at(person, first), at(person, first + 3), at(person, first + 2));
        return around_points();
    }
    // Around the certain ones; zeros without any.
    __device__ float4 around_points() const {
        float4 box = make_float4(INFINITE, INFINITE, -INFINITE, -INFINITE);
        for (int i = 0; i < KEYPOINTS; ++i)
            if (point_score(0, i) >= LEAST_KEYPOINT_SCORE)
                box = make_float4(fminf(box.x, x(0, i)), fminf(box.y, y(0, i)), fmaxf(box.z, x(0, i)), fmaxf(box.w, y(0, i)));
        return box.x <= box.z ? box : make_float4(0, 0, 0, 0);
    }
};

// Writes the candidates and their places to `kept`, the best first; returns how many. For a whole
// block.
template <typename T>
__device__ inline int sort_people(
    const People<T>& people, float network_w, float network_h, const Frame& frame, Workspace* work,
    int (&kept)[MOST_PEOPLE]) {
    __shared__ Bits keys[MOST_PEOPLE];
    const int person = threadIdx.x;
    if (person < MOST_PEOPLE) {
        const float score = person < people.count() ? people.score(person) : -1.0f;
        keys[person] = score >= 0.0f && passes(score, 0, frame) ? key_of(score, person) : 0;
    }
    __syncthreads();
    int found = 0, place = 0;
    for (int i = 0; i < MOST_PEOPLE; ++i) {
        found += keys[i] != 0;
        place += person < MOST_PEOPLE && keys[i] > keys[person];
    }
    if (person < MOST_PEOPLE && keys[person]) {
        const float4 box = people.box(person);
        const float4 pixels = make_float4(
            __fmul_rn(box.x, network_w), __fmul_rn(box.y, network_h), __fmul_rn(box.z, network_w), __fmul_rn(box.w, network_h));
        put_candidate(work, place, pixels, score_of(keys[person]), 0, person, frame);
        kept[place] = place;
    }
    __syncthreads();
    return min(found, frame.max_detections);
}

template <typename T>
__device__ inline void read_people(
    const People<T>& people, float network_w, float network_h, const Frame& frame, Workspace* work,
    Detected* detected, float* result) {
    constexpr int RESULT_VALUES = ROW_VALUES + 3 * KEYPOINTS;
    __shared__ int kept[MOST_PEOPLE], bad;
    if (threadIdx.x == 0) bad = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < people.value_count(); i += THREADS)
        if (!isfinite(widened(people.values[i]))) atomicAdd(&bad, 1);
    const int kept_count = sort_people(people, network_w, network_h, frame, work, kept);
    float* rows = result + sizeof(PeopleHeader) / sizeof(float);
    const int written = write_boxes(frame, kept, kept_count, RESULT_VALUES, work, detected, rows);
    for (int i = threadIdx.x; i < written * KEYPOINTS; i += THREADS) {
        const int position = i / KEYPOINTS, point = i % KEYPOINTS, person = detected->row[position];
        const float x = __fmul_rn(people.x(person, point), network_w), y = __fmul_rn(people.y(person, point), network_h);
        float* to = rows + position * RESULT_VALUES + ROW_VALUES + 3 * point;
        to[0] = __fmul_rn(__fsub_rn(x, frame.offset_x), frame.scale_x);
        to[1] = __fmul_rn(__fsub_rn(y, frame.offset_y), frame.scale_y);
        to[2] = people.point_score(person, point);
    }
    if (threadIdx.x == 0) *reinterpret_cast<PeopleHeader*>(result) = {written, bad, {0, 0, 0, 0, 0, 0}};
}

// Grid: one block.
#define PEOPLE(suffix, T)                                                                          \
    extern "C" __global__ void __launch_bounds__(THREADS) read_people_##suffix(                    \
        const T* output, int several, float network_w, float network_h, const Frame* frame,        \
        Workspace* work, Detected* detected, float* result) {                                      \
        read_people(People<T>{output, several}, network_w, network_h, *frame, work, detected, result); \
    }
PEOPLE(float32, float)
PEOPLE(float16, __half)
