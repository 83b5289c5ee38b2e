// Kernels, sound and broken, that test_emulator.py holds the emulator against.
#include <cuda_fp16.h>

extern "C" __global__ void where(int* out) {
    const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] = 1000 * block + thread;
}

extern "C" __global__ void take_all_types(
    signed char a, unsigned short b, int c, unsigned d, long long e, float f, double g, bool h,
    const float* i, double* out) {
    out[0] = a + b + c + d + e + f + g + h + (i ? i[0] : 1000.0);
}

template <typename T>
__device__ void reversed(T* values) {
    __shared__ T tile[64];
    tile[threadIdx.x] = values[threadIdx.x];
    __syncthreads();
    values[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}
extern "C" __global__ void reverse_ints(int* values) { reversed(values); }
extern "C" __global__ void reverse_doubles(double* values) { reversed(values); }

extern "C" __global__ void reverse_without_barrier(int* values) {
    __shared__ int tile[64];
    tile[threadIdx.x] = values[threadIdx.x];
    values[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void reverse_dynamic(int* values) {
    extern __shared__ int tile[];
    tile[threadIdx.x] = values[threadIdx.x];
    __syncthreads();
    values[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void count_without_clearing(int* out) {
    __shared__ int count;
    atomicAdd(&count, 1);
    __syncthreads();
    if (threadIdx.x == 0) out[blockIdx.x] = count;
}

// The last block to end adds up what all have written.
extern "C" __global__ void sum_by_last_block(const int* values, int* sums, unsigned* ended, int* out) {
    __shared__ bool last;
    if (threadIdx.x == 0) {
        sums[blockIdx.x] = values[blockIdx.x];
        __threadfence();
        last = atomicInc(ended, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0)
        for (unsigned i = 0; i < gridDim.x; ++i) out[0] += sums[i];
}

extern "C" __global__ void warp_sums(const float* values, float* out) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    float sum = values[i];
    for (int offset = 16; offset; offset /= 2) sum += __shfl_xor_sync(~0u, sum, offset);
    out[i] = sum;
}

extern "C" __global__ void warp_functions(const unsigned long long* values, unsigned long long* out) {
    const unsigned lane = threadIdx.x;
    const unsigned odd = __ballot_sync(~0u, lane & 1);
    if (lane & 1) {  // half a warp on its own
        out[lane] = __shfl_sync(odd, values[lane], 31) + __any_sync(odd, lane == 5);
    } else {
        out[lane] = __shfl_up_sync(~odd, values[lane], 2, 8) + 10 * __all_sync(~odd, 1);
    }
    __syncwarp();
    out[lane] += 100 * __popc(__match_any_sync(~0u, values[lane] % 3));
    out[lane] += 10000 * __shfl_down_sync(~0u, lane, 1);
}

extern "C" __global__ void count_votes(const int* votes, int* out) {
    if (threadIdx.x >= 40) return;  // a barrier doesn't wait for those that have ended
    const int count = __syncthreads_count(votes[threadIdx.x]);
    const int any = __syncthreads_or(votes[threadIdx.x]), all = __syncthreads_and(votes[threadIdx.x]);
    if (threadIdx.x == 7) out[0] = count + 100 * any + 1000 * all;
}

extern "C" __global__ void halves(const __half* in, float* wide, __half* narrow) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    wide[i] = __half2float(in[i]);
    narrow[i] = __float2half_rn(wide[i]);
}
extern "C" __global__ void narrow(const float* in, __half* out, int count) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) out[i] = __float2half_rn(in[i]);
}

extern "C" __global__ void product_and_sum(const float* a, const float* b, const float* c, float* out) {
    out[threadIdx.x] = a[threadIdx.x] * b[threadIdx.x] + c[threadIdx.x];
}

extern "C" __global__ void to_ints(const float* in, int* out) {
    out[threadIdx.x] = __float2int_rz(in[threadIdx.x]);
}

extern "C" __global__ void write_at(int* out, int i) { out[i] = 1; }
extern "C" __global__ void read_at(const int* in, int i, int* out) { out[0] = in[i]; }
extern "C" __global__ void shared_at(int i, int* out) {
    __shared__ int tile[8];
    tile[i] = 3;
    out[0] = tile[i];
}
extern "C" __global__ void divide(int a, int b, int* out) { out[0] = a / b; }
extern "C" __global__ void half_a_barrier(int* out) {
    if (threadIdx.x < 20) __ballot_sync(~0u, 1);
    else __syncthreads();
    out[0] = 1;
}
extern "C" __global__ void lane_that_ended(int* out) {
    if (threadIdx.x == 3) return;
    out[0] = __shfl_sync(~0u, 1, 0);
}
extern "C" __global__ void masks_that_disagree(int* out) {
    out[0] = __ballot_sync(threadIdx.x < 16 ? ~0u : ~1u, 1);
}

struct Limits {
    float low, high;
    int count;
};
extern "C" __global__ void take_structure(Limits limits, float* out) {
    out[0] = limits.low + limits.high * limits.count;
}
