// float16 as cuda_fp16.h has it, for the emulator: storage and conversions, no arithmetic.
#pragma once

#include "cuda_emulator.hpp"

struct __attribute__((aligned(2))) __half {
    unsigned short bits;
};
struct __attribute__((aligned(4))) __half2 {
    __half x, y;
};
typedef __half half;
typedef __half2 half2;

inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
inline unsigned short __half_as_ushort(__half value) { return value.bits; }

inline float __half2float(__half value) {
    const unsigned sign = unsigned(value.bits & 0x8000) << 16;
    const unsigned exponent = value.bits >> 10 & 31, fraction = value.bits & 1023;
    if (exponent == 31) return __uint_as_float(sign | 0x7F800000 | fraction << 13);
    if (exponent) return __uint_as_float(sign | (exponent + 112) << 23 | fraction << 13);
    const float subnormal = float(fraction) * 5.9604644775390625e-8f;  // 2^-24
    return __uint_as_float(sign | __float_as_uint(subnormal));
}

// To nearest, of two as near the even one.
inline __half __float2half_rn(float value) {
    const unsigned bits = __float_as_uint(value), sign = bits >> 16 & 0x8000;
    const float magnitude = fabsf(value);
    if (value != value) return {static_cast<unsigned short>(sign | 0x7FFF)};
    if (magnitude >= 65520.0f) return {static_cast<unsigned short>(sign | 0x7C00)};
    if (magnitude == 0.0f) return {static_cast<unsigned short>(sign)};
    int exponent;
    frexpf(magnitude, &exponent);  // magnitude < 2^exponent
    const int unit = std::max(exponent - 11, -24);
    const float units = rintf(ldexpf(magnitude, -unit));
    // units × 2^unit; a carry into the exponent comes out right by itself.
    const unsigned result = unsigned(units) + (unsigned(unit + 24) << 10);
    return {static_cast<unsigned short>(sign | result)};
}
inline __half __float2half(float value) { return __float2half_rn(value); }
inline __half2 __floats2half2_rn(float x, float y) {
    return {__float2half_rn(x), __float2half_rn(y)};
}
inline float2 __half22float2(__half2 v) { return {__half2float(v.x), __half2float(v.y)}; }
inline float __low2float(__half2 v) { return __half2float(v.x); }
inline float __high2float(__half2 v) { return __half2float(v.y); }
