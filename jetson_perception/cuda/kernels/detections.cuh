// What the kernels that find objects share about one frame.
#pragma once

// Where the pixels of one axis of the source image lie between the cells of a grid over the
// network's input: pixel i is at begin + (i + 0.5) × step - 0.5, limited to first … last.
struct Axis {
    double begin, step;
    int first, last;
};

// What may change from frame to frame; it is in memory, so that launches can be repeated.
// cuda/detection_blocks.py has the same as a NumPy dtype.
struct Frame {
    Axis across, down;         // of the grid of mask prototypes
    float lowest;              // the lowest score threshold of any class
    float least_value;         // a logit, or score, that is below all that reach it, if barely
    int lowest_half;           // the lowest as the bits of a float16, less one step
    int max_detections;
    int class_agnostic;
    float iou_threshold;       // t
    float needed_share;        // t / (1 + t)
    float offset_x, offset_y;  // from network pixels to source pixels: subtract this,
    float scale_x, scale_y;    // then multiply by this
    float source_w, source_h;
    int threshold_count;
    float thresholds[1];       // per class, the last also for later ones; infinite to drop a class
};

// The detections, the best first; they stay on the GPU.
struct Detected {
    static constexpr int CAPACITY = 1024;
    float4 box[CAPACITY];  // left, top, right, bottom, source pixels, clipped
    int row[CAPACITY];     // of the network's output
    int count;
};
static_assert(sizeof(Detected) <= 1 << 15, "cuda/detection_blocks.py reserves 32 KiB");

// The beginning of a result. cuda/detection_blocks.py has the same as a NumPy dtype.
struct Header {
    int count;
    // How many anchors or rows, keypoints and coefficients have a value that affects the result and
    // is not finite. If there are any, the result is meaningless.
    int bad_scores, bad_boxes, bad_keypoints, bad_coefficients;
    int bad_prototypes;  // 1 if there are any, else 0
    int unused[2];
};
