// What yolo.cu leaves on the GPU of what it found, for kernels that go on from there.
#pragma once

struct Detected {
    static constexpr int CAPACITY = 1024;
    float4 box[CAPACITY];  // left, top, right, bottom, source pixels, clipped
    int row[CAPACITY];     // of the network's output
    int count;             // in the order of the result, the best first
};
static_assert(sizeof(Detected) <= 1 << 15, "cuda/yolo.py reserves 32 KiB");
