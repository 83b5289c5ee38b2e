// Where bilinear interpolation reads: two neighbours on each axis, and the weight of the second.
#pragma once

struct Taps {
    int first, second;  // indices into the source axis
    float weight;       // of the second, 0 up to but not including 1
};

// Position of element `i` of an axis that begins `origin` elements into the source, each of its
// elements `step` source elements wide, less half an element: a whole number at an element's center.
//
// OpenCV's resize computes so, in double and then float; the product is not to be contracted into
// a fused multiply-add, which rounds once where the CPU rounds twice.
__device__ inline float source_position(int i, double step, double origin) {
    return static_cast<float>(__dadd_rn(__dmul_rn(i + 0.5, step), origin - 0.5));
}

// Beyond the outermost elements the source repeats them. Here all the weight goes to one of them,
__device__ inline Taps column_taps(int x, double step, double origin, int source_w) {
    const float position = source_position(x, step, origin);
    const int first = static_cast<int>(floorf(position));
    if (first < 0) return {0, 0, 0.0f};
    if (first >= source_w - 1) return {source_w - 1, source_w - 1, 0.0f};
    return {first, first + 1, position - floorf(position)};
}

// and here both taps are the same element. OpenCV does the one across and the other down, and with
// integer weights the results differ by their rounding.
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
