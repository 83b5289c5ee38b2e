// What makes scores of logits, and the best of a row's classes. Twin: tasks/activations.py.
#pragma once

constexpr int MAX_INT = 2147483647;

// What makes scores of a network's values; without it, they are scores.
enum Activation { SCORES, SIGMOID, SOFTMAX };

__device__ inline float sigmoid(float logit) { return __fdiv_rn(1.0f, 1.0f + expf(-logit)); }

// The best class of a row; of equal ones, the lowest.
struct Best {
    float value;
    int id;

    __device__ void take(float other, int other_id) {
        if (other > value || (other == value && other_id < id)) {
            value = other;
            id = other_id;
        }
    }
    // The better of this thread's and another one's, which differs by a bit of its lane.
    __device__ void take_from_lane(int bit) {
        const float other = __shfl_xor_sync(~0u, value, bit);
        take(other, __shfl_xor_sync(~0u, id, bit));
    }
};
