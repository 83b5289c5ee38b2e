// What the kernels of yolo.cu and instance_masks.cu share of one frame.
#pragma once

// Where the pixels of one axis of the source image lie between the cells of a grid over the
// network's input: pixel i at begin + (i + 0.5) × step - 0.5, but within first … last.
struct Axis {
    double begin, step;
    int first, last;
};

// What may change from frame to frame; in memory, so that launches can be repeated. cuda/yolo.py
// has the same as a NumPy dtype.
struct Frame {
    Axis across, down;         // of the grid of mask prototypes
    float lowest;              // the lowest threshold of any class
    int lowest_half;           // the same as bits of a float16, less one step
    int max_detections;
    int class_agnostic;
    float needed_share;        // IoU threshold t as t / (1 + t)
    float offset_x, offset_y;  // network pixels to source pixels: less this,
    float scale_x, scale_y;    // times this
    float source_w, source_h;
    int threshold_count;
    float thresholds[1];       // of each class, the last for all beyond; infinite for dropped ones
};

// What was found, the best first; stays on the GPU.
struct Detected {
    static constexpr int CAPACITY = 1024;
    float4 box[CAPACITY];  // left, top, right, bottom, source pixels, clipped
    int row[CAPACITY];     // of the network's output
    int count;
};
static_assert(sizeof(Detected) <= 1 << 15, "cuda/yolo.py reserves 32 KiB");

// The beginning of a result. cuda/yolo.py has the same as a NumPy dtype.
struct Header {
    int count;
    // Anchors or rows, keypoints and coefficients with a value that decides about the result and is
    // not finite. Where there are any, the result means nothing.
    int bad_scores, bad_boxes, bad_keypoints, bad_coefficients;
    int bad_prototypes;  // 1 where there are any, else 0
    int unused[2];
};
