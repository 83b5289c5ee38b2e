// Reads values of a type that is known when the kernel runs.
#pragma once

#include "floats.cuh"

// cuda/detection_blocks.py has the same numbers.
enum Kind { NONE, FLOAT32, FLOAT16, INT32, INT64 };

__device__ inline float read_value(const void* values, int kind, int i) {
    switch (kind) {
        case FLOAT32: return static_cast<const float*>(values)[i];
        case FLOAT16: return widened(static_cast<const __half*>(values)[i]);
        case INT32: return static_cast<float>(static_cast<const int*>(values)[i]);
        default: return static_cast<float>(static_cast<const long long*>(values)[i]);
    }
}
