// GFLOP/s of matrix multiplication over squares, the products of small networks and their transposed forms, and the
// share of the multiply-add peak that this very process measures. CHAINRULE_OPENBLAS=<shared library> adds OpenBLAS
// beside. CHAINRULE_NUM_THREADS sets the threads of both (OPENBLAS_NUM_THREADS is read by OpenBLAS itself).
#include <benchmark/benchmark.h>
#include <dlfcn.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "graph/profile.h"
#include "runtime/cpu.h"
#include "runtime/memory.h"
#include "runtime/threads.h"
#include "tensor/gemm.h"

namespace {

using chainrule::DType;
using std::int64_t;

struct Shape {
  const char* name;
  int64_t m, k, n;
  bool a_transposed, b_transposed;
};
const Shape kShapes[] = {
    {"16", 16, 16, 16, false, false},
    {"32", 32, 32, 32, false, false},
    {"64", 64, 64, 64, false, false},
    {"128", 128, 128, 128, false, false},
    {"256", 256, 256, 256, false, false},
    {"512", 512, 512, 512, false, false},
    {"1024", 1024, 1024, 1024, false, false},
    {"2048", 2048, 2048, 2048, false, false},
    {"4096", 4096, 4096, 4096, false, false},
    {"mlp128_fwd_32x784@784x128", 32, 784, 128, false, false},
    {"mlp128_dW_(32x784).T@32x128", 784, 32, 128, true, false},
    {"mlp128_dX_32x128@(784x128).T", 32, 128, 784, false, true},
    {"mlp512_fwd_256x784@784x512", 256, 784, 512, false, false},
    {"mlp512_dW_(256x784).T@256x512", 784, 256, 512, true, false},
    {"mlp512_dX_256x512@(784x512).T", 256, 512, 784, false, true},
    {"gemv_1x1024@1024x1024", 1, 1024, 1024, false, false},
    {"gemv_1x1024@(1024x1024).T", 1, 1024, 1024, false, true},
    {"outer_4096x64@64x4096", 4096, 64, 4096, false, false},
    {"last_32x128@128x10", 32, 128, 10, false, false},
    {"last_dW_(32x128).T@32x10", 128, 32, 10, true, false},
    {"last_dX_32x10@(128x10).T", 32, 10, 128, false, true},
    {"lstm_32x128@128x512", 32, 128, 512, false, false},
};

// Seconds; of processor time where one thread does all the work, so that others on the machine disturb less.
double now() {
  timespec t;
  clock_gettime(chainrule::num_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// ---- OpenBLAS, if asked for ---------------------------------------------------------------------
template <class T, class Int>
using CblasGemm = void (*)(int order, int trans_a, int trans_b, Int m, Int n, Int k, T alpha, const T* a, Int lda,
                           const T* b, Int ldb, T beta, T* c, Int ldc);

struct OpenBlas {
  void* library = nullptr;
  void* gemm32[2] = {};  // F32, F64 with 32-bit integers
  void* gemm64[2] = {};  // and with 64-bit ones
  OpenBlas() {
    const char* path = std::getenv("CHAINRULE_OPENBLAS");
    if (!path) return;
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      std::fprintf(stderr, "CHAINRULE_OPENBLAS: %s\n", dlerror());
      std::exit(1);
    }
    for (int wide = 0; wide < 2; ++wide) {
      const std::string name = wide ? "cblas_dgemm" : "cblas_sgemm";
      for (const char* prefix : {"", "scipy_"}) {
        if (!gemm32[wide]) gemm32[wide] = dlsym(library, (prefix + name).c_str());
        if (!gemm64[wide]) gemm64[wide] = dlsym(library, (prefix + name + "64_").c_str());
      }
      if (!gemm32[wide] && !gemm64[wide]) {
        std::fprintf(stderr, "CHAINRULE_OPENBLAS: no %s in %s\n", name.c_str(), path);
        std::exit(1);
      }
    }
  }
  template <class T>
  void run(const Shape& s, const T* a, const T* b, T* c) const {
    constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;
    const int wide = sizeof(T) == 8, ta = s.a_transposed ? kTransposed : kPlain,
              tb = s.b_transposed ? kTransposed : kPlain;
    const int64_t lda = s.a_transposed ? s.m : s.k, ldb = s.b_transposed ? s.k : s.n;
    if (gemm64[wide]) {
      reinterpret_cast<CblasGemm<T, int64_t>>(gemm64[wide])(kRowMajor, ta, tb, s.m, s.n, s.k, 1, a, lda, b, ldb, 0, c,
                                                            s.n);
    } else {
      reinterpret_cast<CblasGemm<T, int>>(gemm32[wide])(kRowMajor, ta, tb, static_cast<int>(s.m), static_cast<int>(s.n),
                                                        static_cast<int>(s.k), 1, a, static_cast<int>(lda), b,
                                                        static_cast<int>(ldb), 0, c, static_cast<int>(s.n));
    }
  }
};
const OpenBlas& openblas() {
  static const OpenBlas instance;
  return instance;
}

// Tensor memory as the library allocates it.
template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t n)
      : bytes_(static_cast<std::size_t>(n) * sizeof(T)), data_(static_cast<T*>(chainrule::allocate(bytes_))) {
    for (int64_t i = 0; i < n; ++i) data_[i] = static_cast<T>((i * 7919 % 1000) / 1000.0 - 0.5);
  }
  ~Buffer() { chainrule::deallocate(data_, bytes_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T* data() { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

// GFLOP/s is of the fastest of many short runs, since the machine may have other work.
template <class T, class F>
void measure(benchmark::State& state, const Shape& s, F&& run) {
  const double flops = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  run();
  const int repeats = static_cast<int>(std::clamp(2e7 / flops, 1.0, 2000.0));
  double best = std::numeric_limits<double>::infinity();
  for (auto _ : state) {
    const double begin = now();
    for (int r = 0; r < repeats; ++r) run();
    const double seconds = (now() - begin) / repeats;
    state.SetIterationTime(seconds);
    best = std::min(best, seconds);
  }
  state.counters["GFLOP/s"] = flops / best * 1e-9;
  state.counters["%peak"] = 100 * flops / best / chainrule::measure_peak(sizeof(T) == 8 ? DType::F64 : DType::F32);
}

template <class T>
void run_chainrule(benchmark::State& state, const Shape& s) {
  Buffer<T> a(s.m * s.k), b(s.k * s.n), c(s.m * s.n);
  chainrule::Gemm g{};
  g.dtype = sizeof(T) == 8 ? DType::F64 : DType::F32;
  g.m = s.m, g.n = s.n, g.k = s.k;
  g.a_row = s.a_transposed ? 1 : s.k, g.a_col = s.a_transposed ? s.m : 1;
  g.b_row = s.b_transposed ? 1 : s.n, g.b_col = s.b_transposed ? s.k : 1;
  g.c_row = s.n;
  const chainrule::HotRegion hot;
  measure<T>(state, s, [&] { chainrule::gemm(g, a.data(), b.data(), c.data()); });
}

template <class T>
void run_openblas(benchmark::State& state, const Shape& s) {
  Buffer<T> a(s.m * s.k), b(s.k * s.n), c(s.m * s.n);
  measure<T>(state, s, [&] { openblas().run<T>(s, a.data(), b.data(), c.data()); });
}

void bench_plan(benchmark::State& state) {
  chainrule::Gemm g{};
  g.dtype = DType::F32;
  g.m = g.n = g.k = g.a_row = g.b_row = g.c_row = 64;
  g.a_col = g.b_col = 1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(g);
    benchmark::DoNotOptimize(chainrule::plan_gemm(g));
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::RegisterBenchmark("plan_gemm", bench_plan);
  for (const Shape& s : kShapes) {
    const std::string name = s.name;
    benchmark::RegisterBenchmark(("f32/" + name + "/chainrule").c_str(), run_chainrule<float>, s)->UseManualTime();
    if (openblas().library)
      benchmark::RegisterBenchmark(("f32/" + name + "/openblas").c_str(), run_openblas<float>, s)->UseManualTime();
  }
  for (const Shape& s : kShapes) {
    const std::string name = s.name;
    benchmark::RegisterBenchmark(("f64/" + name + "/chainrule").c_str(), run_chainrule<double>, s)->UseManualTime();
    if (openblas().library)
      benchmark::RegisterBenchmark(("f64/" + name + "/openblas").c_str(), run_openblas<double>, s)->UseManualTime();
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  std::printf("%s, %d threads, peak %.1f GFLOP/s float32, %.1f float64\n", chainrule::kernels().isa,
              chainrule::num_threads(), chainrule::measure_peak(DType::F32) * 1e-9,
              chainrule::measure_peak(DType::F64) * 1e-9);
  benchmark::RunSpecifiedBenchmarks();
}
