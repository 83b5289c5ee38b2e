// CUDA C++ on the CPU, one thread after the other: what kernels need in order to be compiled by g++
// and to give, but for speed, what they would give on a GPU. It is no GPU, and proves nothing of
// one's speed, memory model or scheduling.
//
// Every CUDA thread is a fiber with a stack of its own. It runs until it has to wait for others: at
// __syncthreads or at a warp intrinsic. Blocks run one after another. Between these points a
// thread is never interrupted, so the order in which threads run is a setting: a kernel whose
// result depends on it lacks a barrier. `compiling.py` compiles, `emulate.py` launches.
//
// Stricter than a GPU: memory faults beyond a buffer's ends, deadlocks, warp intrinsics whose
// masks disagree, undefined behaviour that g++ can find, and wrong argument types are errors that
// name block and thread. Shared memory and fresh stacks start as garbage.
//
// Not there: inline PTX, textures, cooperative launches, dynamic parallelism, waiting for another
// block.
#pragma once

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __restrict__ __restrict
#define __constant__ static const
// All variables of one launch's kernels, so that they can be spoilt before each block.
#define __shared__ static __attribute__((section("cuda_shared")))

extern "C" char __start_cuda_shared[] __attribute__((weak));
extern "C" char __stop_cuda_shared[] __attribute__((weak));

// ---------------------------------------------------------------- vector types

#define CUDA_EMULATOR_VECTORS(T, name, align2, align4)                                            \
    struct name##1 { T x; };                                                                      \
    struct alignas(align2) name##2 { T x, y; };                                                   \
    struct name##3 { T x, y, z; };                                                                \
    struct alignas(align4) name##4 { T x, y, z, w; };                                             \
    inline name##1 make_##name##1(T x) { return {x}; }                                            \
    inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                    \
    inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                            \
    inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
CUDA_EMULATOR_VECTORS(signed char, char, 2, 4)
CUDA_EMULATOR_VECTORS(unsigned char, uchar, 2, 4)
CUDA_EMULATOR_VECTORS(short, short, 4, 8)
CUDA_EMULATOR_VECTORS(unsigned short, ushort, 4, 8)
CUDA_EMULATOR_VECTORS(int, int, 8, 16)
CUDA_EMULATOR_VECTORS(unsigned int, uint, 8, 16)
CUDA_EMULATOR_VECTORS(float, float, 8, 16)
CUDA_EMULATOR_VECTORS(double, double, 16, 16)
CUDA_EMULATOR_VECTORS(long long, longlong, 16, 16)
CUDA_EMULATOR_VECTORS(unsigned long long, ulonglong, 16, 16)

struct dim3 {
    unsigned int x = 1, y = 1, z = 1;
};

static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static constexpr int warpSize = 32;

// ---------------------------------------------------------------- threads

namespace emulator {

constexpr size_t STACK_BYTES = 128 << 10;
constexpr unsigned MAX_THREADS = 1024;

enum class State { fresh, ready, at_barrier, at_warp, done };

struct Fiber {
    ucontext_t context;
    jmp_buf resume;
    void* stack;
    bool started = false;
};

struct Thread {
    uint3 index;
    unsigned number;
    State state;
    Fiber* fiber;
    const char* waits_for;  // name of the intrinsic
    unsigned mask;          // of the warp intrinsic
    int predicate;          // of the barrier
    uint64_t posted;
    uint64_t received[32];
};

struct Block {
    std::vector<Thread> threads;
    std::vector<Fiber*> free_fibers, all_fibers;
    std::vector<unsigned> order;
    void (*body)(void*);
    void* arguments;
    Thread* running = nullptr;
    jmp_buf scheduler;
    sigjmp_buf failure;
    int barrier_result = 0;
    std::vector<char> dynamic_shared;
    char error[1024];
};

inline Block& block() {
    static Block the_block;
    return the_block;
}

[[noreturn]] inline void fail(const char* format, ...) {
    Block& b = block();
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(b.error, sizeof b.error, format, arguments);
    va_end(arguments);
    if (b.running) {
        const uint3 t = b.running->index, o = blockIdx;
        length = std::min(length, int(sizeof b.error) - 128);
        snprintf(b.error + length, sizeof b.error - length, " (thread %u,%u,%u of block %u,%u,%u)",
                 t.x, t.y, t.z, o.x, o.y, o.z);
    }
    siglongjmp(b.failure, 1);
}

// Leaves the running thread until the scheduler comes back to it.
inline void wait(State state) {
    Block& b = block();
    b.running->state = state;
    if (_setjmp(b.running->fiber->resume) == 0) _longjmp(b.scheduler, 1);
}

inline void fiber_main() {
    Block& b = block();
    for (;;) {
        b.body(b.arguments);
        wait(State::done);
    }
}

inline Fiber* take_fiber() {
    Block& b = block();
    if (b.free_fibers.empty()) {
        Fiber* fiber = new Fiber;
        fiber->stack = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (fiber->stack == MAP_FAILED) fail("no memory for a thread's stack");
        mprotect(fiber->stack, sysconf(_SC_PAGESIZE), PROT_NONE);
        getcontext(&fiber->context);
        fiber->context.uc_stack.ss_sp = fiber->stack;
        fiber->context.uc_stack.ss_size = STACK_BYTES;
        fiber->context.uc_link = nullptr;
        makecontext(&fiber->context, fiber_main, 0);
        b.all_fibers.push_back(fiber);
        b.free_fibers.push_back(fiber);
    }
    Fiber* fiber = b.free_fibers.back();
    b.free_fibers.pop_back();
    return fiber;
}

// After a failure fibers stand in the middle of a kernel and are of no more use.
inline void drop_fibers() {
    Block& b = block();
    for (Fiber* fiber : b.all_fibers) {
        munmap(fiber->stack, STACK_BYTES);
        delete fiber;
    }
    b.all_fibers.clear();
    b.free_fibers.clear();
}

inline void run(Thread& thread) {
    Block& b = block();
    if (thread.state == State::fresh) thread.fiber = take_fiber();
    thread.state = State::ready;
    b.running = &thread;
    threadIdx = thread.index;
    if (_setjmp(b.scheduler) == 0) {
        Fiber* fiber = thread.fiber;
        if (fiber->started) _longjmp(fiber->resume, 1);
        fiber->started = true;
        setcontext(&fiber->context);
    }
    b.running = nullptr;
    if (thread.state == State::done) b.free_fibers.push_back(thread.fiber);
}

// ---------------------------------------------------------------- barriers

// Threads that have ended don't count. Returns how many threads had a predicate that is not 0.
inline void release_barrier() {
    Block& b = block();
    const char* name = nullptr;
    b.barrier_result = 0;
    for (Thread& thread : b.threads) {
        if (thread.state != State::at_barrier) continue;
        if (name && strcmp(name, thread.waits_for) != 0)
            fail("threads meet at %s and %s", name, thread.waits_for);
        name = thread.waits_for;
        b.barrier_result += thread.predicate;
        thread.state = State::ready;
    }
}

inline int barrier(const char* name, bool predicate) {
    Thread& self = *block().running;
    self.waits_for = name;
    self.predicate = predicate;
    wait(State::at_barrier);
    return block().barrier_result;
}

[[noreturn]] inline void report_deadlock() {
    for (const Thread& thread : block().threads) {
        if (thread.state != State::at_warp && thread.state != State::at_barrier) continue;
        block().running = &block().threads[thread.number];
        fail("deadlock: some threads never come to %s, mask %08x", thread.waits_for, thread.mask);
    }
    fail("deadlock");
}

inline void run_block() {
    Block& b = block();
    const size_t shared_bytes = __stop_cuda_shared - __start_cuda_shared;
    if (shared_bytes) memset(__start_cuda_shared, 0xA5, shared_bytes);
    std::fill(b.dynamic_shared.begin(), b.dynamic_shared.end(), char(0xA5));
    for (Thread& thread : b.threads) thread.state = State::fresh;
    size_t live = b.threads.size();
    while (live) {
        bool progress = false;
        size_t at_barrier = 0;
        for (unsigned number : b.order) {
            Thread& thread = b.threads[number];
            if (thread.state == State::fresh || thread.state == State::ready) {
                run(thread);
                progress = true;
                live -= thread.state == State::done;
            }
        }
        for (const Thread& thread : b.threads) at_barrier += thread.state == State::at_barrier;
        if (live && at_barrier == live) {
            release_barrier();
        } else if (live && !progress) {
            report_deadlock();
        }
    }
}

// ---------------------------------------------------------------- warps

// What the lanes of `mask` give, by lane. The last of them to come lets the others go on.
inline const uint64_t* exchange(const char* name, unsigned mask, uint64_t value) {
    Block& b = block();
    Thread& self = *b.running;
    const unsigned lane = self.number % 32;
    Thread* warp = b.threads.data() + (self.number - lane);
    const size_t lanes = std::min<size_t>(32, b.threads.size() - (self.number - lane));
    if (!(mask >> lane & 1)) fail("%s: the mask %08x lacks the lane itself", name, mask);
    if (lanes < 32 && mask >> lanes)
        fail("%s: the mask %08x names lanes beyond the block's %zu threads", name, mask,
             b.threads.size());
    self.posted = value;
    self.waits_for = name;
    self.mask = mask;
    self.state = State::at_warp;
    bool complete = true;
    for (unsigned i = 0; i < lanes; ++i) {
        if (!(mask >> i & 1)) continue;
        if (warp[i].state == State::done) fail("%s waits for lane %u, which has ended", name, i);
        if (warp[i].state != State::at_warp) {
            complete = false;
        } else if (!(warp[i].mask >> lane & 1)) {
            complete = false;  // waits for others, and may come later
        } else if (warp[i].mask != mask || strcmp(warp[i].waits_for, name) != 0) {
            fail("%s, mask %08x, meets %s, mask %08x, of lane %u", name, mask, warp[i].waits_for,
                 warp[i].mask, i);
        }
    }
    if (!complete) {
        wait(State::at_warp);
        return self.received;
    }
    for (unsigned i = 0; i < lanes; ++i) {
        if (!(mask >> i & 1)) continue;
        for (unsigned k = 0; k < lanes; ++k)
            if (mask >> k & 1) warp[i].received[k] = warp[k].posted;
        warp[i].state = State::ready;
    }
    return self.received;
}

template <typename T>
inline uint64_t bits_of(T value) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "warp intrinsics take 4 or 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    return bits;
}

template <typename T>
inline T value_of(uint64_t bits) {
    T value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

inline unsigned lane() { return block().running->number % 32; }

// A lane that the mask lacks gives garbage on a GPU, so reading from it is an error here.
template <typename T>
inline T shuffle(const char* name, unsigned mask, T value, int source, int width, bool within) {
    const uint64_t* all = exchange(name, mask, bits_of(value));
    if (width < 1 || width > 32 || (width & (width - 1))) fail("%s: width is %d", name, width);
    if (!within) return value;
    if (!(mask >> source & 1)) fail("%s reads lane %d, which the mask lacks", name, source);
    return value_of<T>(all[source]);
}

// ---------------------------------------------------------------- launches

struct Region {
    char *pages, *begin, *end;
    size_t page_bytes;
    char *slack, *slack_end;  // what can be touched: the buffer and the rest of its pages
};

inline std::vector<Region>& regions() {
    static std::vector<Region> all;
    return all;
}

[[noreturn]] inline void on_signal(int number, siginfo_t* info, void*) {
    if (number == SIGILL) fail("undefined behaviour: an index outside an array, a shift or integer "
                               "overflow, a misaligned access");
    if (number == SIGFPE) fail("an integer division by zero");
    const char* address = static_cast<const char*>(info->si_addr);
    for (const Region& region : regions()) {
        if (address < region.pages || address >= region.pages + region.page_bytes) continue;
        if (address < region.begin)
            fail("memory fault %td bytes before a buffer of %td", region.begin - address,
                 region.end - region.begin);
        fail("memory fault %td bytes behind the end of a buffer of %td", address - region.end,
             region.end - region.begin);
    }
    fail("memory fault at %p, in no buffer (or a misaligned access)", address);
}

class SignalHandlers {
  public:
    SignalHandlers() : stack_(1 << 16) {
        stack_t stack = {};
        stack.ss_sp = stack_.data();
        stack.ss_size = stack_.size();
        sigaltstack(&stack, &old_stack_);
        struct sigaction action = {};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        for (int i = 0; i < 4; ++i) sigaction(NUMBERS[i], &action, &old_[i]);
    }
    ~SignalHandlers() {
        for (int i = 0; i < 4; ++i) sigaction(NUMBERS[i], &old_[i], nullptr);
        sigaltstack(&old_stack_, nullptr);
    }

  private:
    static constexpr int NUMBERS[4] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    std::vector<char> stack_;
    stack_t old_stack_;
    struct sigaction old_[4];
};

// order: 0 first to last, 1 last to first, else shuffled by this seed.
inline void order_threads(unsigned order) {
    Block& b = block();
    b.order.resize(b.threads.size());
    for (unsigned i = 0; i < b.order.size(); ++i) b.order[i] = i;
    if (order == 1) std::reverse(b.order.begin(), b.order.end());
    if (order > 1) {
        std::mt19937 random(order);
        for (size_t i = b.order.size(); i > 1; --i) std::swap(b.order[i - 1], b.order[random() % i]);
    }
}

inline void run_grid(unsigned order) {
    std::vector<uint3> blocks;
    for (unsigned z = 0; z < gridDim.z; ++z)
        for (unsigned y = 0; y < gridDim.y; ++y)
            for (unsigned x = 0; x < gridDim.x; ++x) blocks.push_back({x, y, z});
    if (order == 1) std::reverse(blocks.begin(), blocks.end());
    if (order > 1) {
        std::mt19937 random(order);
        for (size_t i = blocks.size(); i > 1; --i) std::swap(blocks[i - 1], blocks[random() % i]);
    }
    for (const uint3& index : blocks) {
        blockIdx = index;
        run_block();
    }
}

constexpr char GARBAGE = char(0xA5);

// Pages are guarded, the rest of a buffer's first and last one is looked at afterwards.
inline void check_surroundings() {
    for (const Region& region : regions()) {
        for (const char* at = region.begin; at-- > region.slack;)
            if (*at != GARBAGE)
                fail("a write %td bytes before a buffer of %td", region.begin - at,
                     region.end - region.begin);
        for (const char* at = region.end; at < region.slack_end; ++at)
            if (*at != GARBAGE)
                fail("a write %td bytes behind the end of a buffer of %td", at - region.end,
                     region.end - region.begin);
    }
}

// 0, or 1 with a text in block().error.
inline int launch(void (*body)(void*), void* arguments, const unsigned* grid, const unsigned* size,
                  unsigned shared_bytes, unsigned order) {
    Block& b = block();
    b.body = body;
    b.arguments = arguments;
    b.running = nullptr;
    b.error[0] = 0;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {size[0], size[1], size[2]};
    b.threads.assign(size_t(size[0]) * size[1] * size[2], Thread());
    for (unsigned i = 0; i < b.threads.size(); ++i) {
        b.threads[i].number = i;
        b.threads[i].index = {i % size[0], i / size[0] % size[1], i / size[0] / size[1]};
        b.threads[i].mask = 0;
    }
    order_threads(order);
    b.dynamic_shared.resize(shared_bytes + 16);
    SignalHandlers handlers;
    if (sigsetjmp(b.failure, 1) == 0) {
        run_grid(order);
        check_surroundings();
        return 0;
    }
    drop_fibers();
    return 1;
}

inline char* dynamic_shared() {
    const uintptr_t address = reinterpret_cast<uintptr_t>(block().dynamic_shared.data());
    return reinterpret_cast<char*>((address + 15) & ~uintptr_t(15));
}

// A parameter as `emulate.py` checks it: p pointer, i and u integers, f floating, s structure.
template <typename T>
constexpr int kind_of() {
    if (std::is_pointer<T>::value) return 'p' << 16 | int(sizeof(T));
    if (std::is_floating_point<T>::value) return 'f' << 16 | int(sizeof(T));
    if (std::is_integral<T>::value)
        return (std::is_signed<T>::value ? 'i' : 'u') << 16 | int(sizeof(T));
    return 's' << 16 | int(sizeof(T));
}

template <typename... A>
struct Call {
    void (*kernel)(A...);
    void** arguments;

    static void body(void* self) {
        static_cast<Call*>(self)->call(std::index_sequence_for<A...>());
    }
    template <size_t... I>
    void call(std::index_sequence<I...>) {
        kernel(*static_cast<std::remove_const_t<A>*>(arguments[I])...);
    }
};

template <typename... A>
int launch_kernel(void (*kernel)(A...), void** arguments, const unsigned* grid,
                  const unsigned* size, unsigned shared_bytes, unsigned order) {
    Call<A...> call{kernel, arguments};
    return launch(Call<A...>::body, &call, grid, size, shared_bytes, order);
}

template <typename... A>
int parameters(void (*)(A...), int* kinds) {
    int i = 0;
    ((kinds[i++] = kind_of<A>()), ...);
    return i;
}

}  // namespace emulator

#define CUDA_EMULATOR_KERNEL(name)                                                                \
    extern "C" int emulate_##name(void** arguments, const unsigned* grid, const unsigned* size,   \
                                  unsigned shared_bytes, unsigned order) {                        \
        return emulator::launch_kernel(name, arguments, grid, size, shared_bytes, order);         \
    }                                                                                             \
    extern "C" int parameters_##name(int* kinds) { return emulator::parameters(name, kinds); }

// Their names, with spaces between them.
#define CUDA_EMULATOR_KERNELS(names)                                                              \
    extern "C" const char* emulator_kernels() { return names; }

extern "C" inline __attribute__((used)) const char* emulator_error() {
    return emulator::block().error;
}

// Memory whose last page is followed, and whose first is preceded, by pages nobody may touch. Its
// end is a multiple of 16 bytes, as kernels that read 16 at once need it.
extern "C" inline __attribute__((used)) void* emulator_allocate(size_t bytes) {
    const size_t page = sysconf(_SC_PAGESIZE), rounded = (bytes + 15) / 16 * 16;
    const size_t inner = (rounded + page - 1) / page * page, guard = 16 * page;
    char* pages = static_cast<char*>(mmap(nullptr, inner + 2 * guard, PROT_NONE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (pages == MAP_FAILED) return nullptr;
    mprotect(pages + guard, inner, PROT_READ | PROT_WRITE);
    char* begin = pages + guard + inner - rounded;
    emulator::regions().push_back({pages, begin, begin + bytes, inner + 2 * guard, pages + guard,
                                   pages + guard + inner});
    memset(pages + guard, emulator::GARBAGE, inner);
    return begin;
}

extern "C" inline __attribute__((used)) void emulator_free(void* memory) {
    auto& all = emulator::regions();
    for (size_t i = 0; i < all.size(); ++i) {
        if (all[i].begin != memory) continue;
        munmap(all[i].pages, all[i].page_bytes);
        all.erase(all.begin() + i);
        return;
    }
}

// ---------------------------------------------------------------- CUDA's functions

inline void __syncthreads() { emulator::barrier("__syncthreads", false); }
inline int __syncthreads_count(int p) { return emulator::barrier("__syncthreads_count", p); }
inline int __syncthreads_or(int p) { return emulator::barrier("__syncthreads_or", p) != 0; }
inline int __syncthreads_and(int p) { return emulator::barrier("__syncthreads_and", !p) == 0; }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __syncwarp(unsigned mask = ~0u) { emulator::exchange("__syncwarp", mask, 0); }

template <typename T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
    const int first = int(emulator::lane()) & ~(width - 1);
    return emulator::shuffle("__shfl_sync", mask, value, first + (source & (width - 1)), width, true);
}
template <typename T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
    const int lane = emulator::lane(), source = lane - int(delta);
    return emulator::shuffle("__shfl_up_sync", mask, value, source, width,
                             source >= (lane & ~(width - 1)));
}
template <typename T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
    const int lane = emulator::lane(), source = lane + int(delta);
    return emulator::shuffle("__shfl_down_sync", mask, value, source, width,
                             source < (lane & ~(width - 1)) + width);
}
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
    const int lane = emulator::lane(), source = lane ^ bits;
    return emulator::shuffle("__shfl_xor_sync", mask, value, source, width,
                             source < (lane & ~(width - 1)) + width);
}

namespace emulator {
inline unsigned ballot(const char* name, unsigned mask, bool predicate) {
    const uint64_t* all = exchange(name, mask, predicate);
    unsigned lanes = 0;
    for (unsigned i = 0; i < 32; ++i)
        if (mask >> i & 1) lanes |= unsigned(all[i]) << i;
    return lanes;
}
template <typename T, typename Join>
inline T reduce(const char* name, unsigned mask, T value, Join join) {
    const uint64_t* all = exchange(name, mask, bits_of(value));
    bool first = true;
    T result{};
    for (unsigned i = 0; i < 32; ++i) {
        if (!(mask >> i & 1)) continue;
        result = first ? value_of<T>(all[i]) : join(result, value_of<T>(all[i]));
        first = false;
    }
    return result;
}
}  // namespace emulator

inline unsigned __ballot_sync(unsigned mask, int p) {
    return emulator::ballot("__ballot_sync", mask, p != 0);
}
inline int __any_sync(unsigned mask, int p) { return emulator::ballot("__any_sync", mask, p) != 0; }
inline int __all_sync(unsigned mask, int p) {
    return emulator::ballot("__all_sync", mask, p) == mask;
}
template <typename T>
inline unsigned __match_any_sync(unsigned mask, T value) {
    const uint64_t* all = emulator::exchange("__match_any_sync", mask, emulator::bits_of(value));
    unsigned lanes = 0;
    for (unsigned i = 0; i < 32; ++i)
        if (mask >> i & 1) lanes |= unsigned(all[i] == emulator::bits_of(value)) << i;
    return lanes;
}

// Indivisible anyway, as no thread is interrupted.
#define CUDA_EMULATOR_ATOMIC(name, expression)                              \
    template <typename T>                                                   \
    inline T name(T* address, std::common_type_t<T> value) {                \
        const T old = *address;                                             \
        *address = expression;                                              \
        return old;                                                         \
    }
CUDA_EMULATOR_ATOMIC(atomicAdd, T(std::is_signed<T>::value && std::is_integral<T>::value
                                      ? T(uint64_t(old) + uint64_t(value)) : old + value))
CUDA_EMULATOR_ATOMIC(atomicSub, T(uint64_t(old) - uint64_t(value)))
CUDA_EMULATOR_ATOMIC(atomicMin, std::min(old, value))
CUDA_EMULATOR_ATOMIC(atomicMax, std::max(old, value))
CUDA_EMULATOR_ATOMIC(atomicAnd, old & value)
CUDA_EMULATOR_ATOMIC(atomicOr, old | value)
CUDA_EMULATOR_ATOMIC(atomicXor, old ^ value)
CUDA_EMULATOR_ATOMIC(atomicExch, value)
CUDA_EMULATOR_ATOMIC(atomicInc, old >= value ? 0u : old + 1u)
template <typename T>
inline T atomicCAS(T* address, std::common_type_t<T> compare, std::common_type_t<T> value) {
    const T old = *address;
    if (old == compare) *address = value;
    return old;
}

#define CUDA_EMULATOR_LOAD(name)                            \
    template <typename T>                                   \
    inline T name(const T* address) { return *address; }
CUDA_EMULATOR_LOAD(__ldg)
CUDA_EMULATOR_LOAD(__ldca)
CUDA_EMULATOR_LOAD(__ldcg)
CUDA_EMULATOR_LOAD(__ldcs)
CUDA_EMULATOR_LOAD(__ldcv)
template <typename T>
inline void __stcs(T* address, T value) { *address = value; }
template <typename T>
inline void __stcg(T* address, T value) { *address = value; }
[[noreturn]] inline void __trap() { emulator::fail("__trap"); }

inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __ffsll(long long v) { return __builtin_ffsll(v); }
inline int __clz(int v) { return v ? __builtin_clz(unsigned(v)) : 32; }
inline int __clzll(long long v) { return v ? __builtin_clzll((unsigned long long)v) : 64; }
inline unsigned __brev(unsigned v) {
    unsigned result = 0;
    for (int i = 0; i < 32; ++i) result |= (v >> i & 1u) << (31 - i);
    return result;
}
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }
inline int __mulhi(int a, int b) { return int(int64_t(a) * b >> 32); }

inline int __float_as_int(float v) { int i; memcpy(&i, &v, 4); return i; }
inline unsigned __float_as_uint(float v) { unsigned i; memcpy(&i, &v, 4); return i; }
inline float __int_as_float(int v) { float f; memcpy(&f, &v, 4); return f; }
inline float __uint_as_float(unsigned v) { float f; memcpy(&f, &v, 4); return f; }
inline long long __double_as_longlong(double v) { long long i; memcpy(&i, &v, 8); return i; }
inline double __longlong_as_double(long long v) { double f; memcpy(&f, &v, 8); return f; }

// Never contracted into fused multiply-adds; g++ is told not to contract any.
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline float __saturatef(float v) { return v > 0.0f ? std::min(v, 1.0f) : 0.0f; }  // of NaN 0

namespace emulator {
// As the GPU converts: saturating, of NaN 0.
template <typename To, typename From>
inline To saturated(From value) {
    if (value != value) return 0;
    if (double(value) <= double(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    if (double(value) >= double(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    return To(value);
}
}  // namespace emulator
inline int __float2int_rn(float v) { return emulator::saturated<int>(rintf(v)); }
inline int __float2int_rz(float v) { return emulator::saturated<int>(truncf(v)); }
inline int __float2int_rd(float v) { return emulator::saturated<int>(floorf(v)); }
inline int __float2int_ru(float v) { return emulator::saturated<int>(ceilf(v)); }
inline unsigned __float2uint_rn(float v) { return emulator::saturated<unsigned>(rintf(v)); }
inline unsigned __float2uint_rz(float v) { return emulator::saturated<unsigned>(truncf(v)); }
inline int __double2int_rn(double v) { return emulator::saturated<int>(rint(v)); }
inline int __double2int_rz(double v) { return emulator::saturated<int>(trunc(v)); }
inline int __double2int_rd(double v) { return emulator::saturated<int>(floor(v)); }
inline float __int2float_rn(int v) { return float(v); }
inline float __uint2float_rn(unsigned v) { return float(v); }

#define CUDA_EMULATOR_MIN_MAX(T)                            \
    inline T min(T a, T b) { return a < b ? a : b; }        \
    inline T max(T a, T b) { return a > b ? a : b; }
CUDA_EMULATOR_MIN_MAX(int)
CUDA_EMULATOR_MIN_MAX(unsigned int)
CUDA_EMULATOR_MIN_MAX(long)
CUDA_EMULATOR_MIN_MAX(unsigned long)
CUDA_EMULATOR_MIN_MAX(long long)
CUDA_EMULATOR_MIN_MAX(unsigned long long)
inline float min(float a, float b) { return fminf(a, b); }  // of NaN and a number the number
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
using std::isfinite;
using std::isinf;
using std::isnan;
