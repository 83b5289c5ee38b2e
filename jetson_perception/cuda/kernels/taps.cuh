// Where bilinear interpolation reads: two neighbors on each axis, and the weight of the second.
#pragma once

struct Taps {
    int first, second;  // indices into the source axis
    float weight;       // of the second, 0 up to but not including 1
};

// Position in the source of element `i` of an axis that begins `origin` source elements into it and
// whose elements are `step` source elements wide; minus 0.5, so that centers of source elements are
// at whole numbers.
//
// OpenCV's resize computes it like this, in double and then float. The product must not be
// contracted into a fused multiply-add, which would round once where the CPU rounds twice.
__device__ inline float source_position(int i, double step, double origin) {
    return static_cast<float>(__dadd_rn(__dmul_rn(i + 0.5, step), origin - 0.5));
}

// Beyond the outermost elements, the source repeats them. For columns, all the weight goes to the
// first tap.
__device__ inline Taps column_taps(int x, double step, double origin, int source_w) {
    const float position = source_position(x, step, origin);
    const int first = static_cast<int>(floorf(position));
    if (first < 0) return {0, 0, 0.0f};
    if (first >= source_w - 1) return {source_w - 1, source_w - 1, 0.0f};
    return {first, first + 1, position - floorf(position)};
}

// For rows, both taps are the same element. OpenCV also treats columns and rows differently in this
// way, and with integer weights the two round differently.
__device__ inline Taps row_taps(int y, double step, double origin, int source_h) {
    const float position = source_position(y, step, origin);
    const int first = static_cast<int>(floorf(position)), last = source_h - 1;
    const int second = first + 1;
    return {
        first < 0 ? 0 : (first > last ? last : first),
        second < 0 ? 0 : (second > last ? last : second),
        position - floorf(position),
    };
}
