// Reads float32 and float16 values as float.
#pragma once

#include <cuda_fp16.h>

__device__ inline float widened(float value) { return value; }
__device__ inline float widened(__half value) { return __half2float(value); }
