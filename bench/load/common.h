// What the load generators share: time, a histogram of latencies, and the CPU time of the processes under test.
#ifndef COMMON_H
#define COMMON_H
#include <dirent.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

typedef uint64_t u64; typedef uint32_t u32; typedef uint16_t u16; typedef uint8_t u8;

// The processes under test, separated by commas.
static const char *o_mpids = NULL;

static inline u64 now_ns(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return (u64)t.tv_sec * 1000000000ull + t.tv_nsec; }
static inline void die(const char *f, ...) { va_list a; va_start(a, f); fprintf(stderr, "load: "); vfprintf(stderr, f, a); fprintf(stderr, "\n"); exit(2); }

// ---------------------------------------------------------------- histogram (ns, 128 sub-buckets per octave, <0.8% error)
#define SUBB 7
static u64 hist[64 << SUBB]; static u64 hmax, hsum, hcnt;
static inline void hadd(u64 v) {
  if (v > hmax) hmax = v;
  hsum += v; hcnt++;
  int i;
  if (v < (1u << SUBB)) i = (int)v;
  else { int e = 63 - __builtin_clzll(v) - SUBB; i = ((e + 1) << SUBB) + (int)((v >> e) - (1u << SUBB)); }
  hist[i]++;
}
static inline double hq(double q) {
  if (!hcnt) return 0;
  u64 want = (u64)(q * (hcnt - 1)) + 1, acc = 0;
  for (int i = 0; i < (64 << SUBB); i++) {
    acc += hist[i];
    if (acc >= want) {
      if (i < (1 << SUBB)) return i / 1e3;
      int e = (i >> SUBB) - 1; u64 m = (i & ((1 << SUBB) - 1)) + (1 << SUBB);
      double r = ((double)m + 0.5) * (double)(1ull << e);
      return (r > hmax ? hmax : r) / 1e3;
    }
  }
  return hmax / 1e3;
}

// ---------------------------------------------------------------- CPU of other processes
static inline u64 stat_us(int pid, long *rss) { // utime+stime from /proc/PID/stat
  char f[64], b[2048]; snprintf(f, sizeof f, "/proc/%d/stat", pid); FILE *h = fopen(f, "r"); if (!h) return 0;
  size_t n = fread(b, 1, sizeof b - 1, h); fclose(h); b[n] = 0; char *p = strrchr(b, ')'); if (!p) return 0;
  unsigned long ut, st; long r; sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld", &ut, &st, &r);
  if (rss) *rss += r * (sysconf(_SC_PAGESIZE) / 1024);
  return (u64)(ut + st) * 1000000 / sysconf(_SC_CLK_TCK);
}
static inline u64 sched_us(int pid) { // sum of the threads' on-cpu time, ns resolution
  char f[64]; snprintf(f, sizeof f, "/proc/%d/task", pid); DIR *d = opendir(f); if (!d) return 0; struct dirent *e; u64 sum = 0;
  while ((e = readdir(d))) { if (e->d_name[0] == '.') continue; char g[400]; snprintf(g, sizeof g, "/proc/%d/task/%s/schedstat", pid, e->d_name); FILE *h = fopen(g, "r"); unsigned long long x = 0; if (h) { if (fscanf(h, "%llu", &x) == 1) sum += x; fclose(h); } }
  closedir(d); return sum / 1000;
}
static inline void pids_cpu(u64 *st, u64 *sc, long *rss) {
  *st = *sc = 0; *rss = 0; if (!o_mpids) return;
  char b[4096]; snprintf(b, sizeof b, "%s", o_mpids);
  for (char *t = strtok(b, ","); t; t = strtok(NULL, ",")) { int p = atoi(t); *st += stat_us(p, rss); *sc += sched_us(p); }
}
static inline u64 self_us(void) { struct rusage r; getrusage(RUSAGE_SELF, &r); return (u64)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec; }


// What a body must be: nothing in particular, a text, or the alphabet again and again from its first byte on.
static const char *expected_text = NULL; static long expected_text_length = 0; static char *expected_pattern = NULL;
static inline void expect_body(const char *what) {
  if (!strcmp(what, "alphabet")) {
    expected_pattern = malloc(262144 + 26);
    for (int i = 0; i < 262144 + 26; i++) expected_pattern[i] = 'a' + i % 26;
  } else if (what[0] == '@') {
    FILE *f = fopen(what + 1, "rb"); if (!f) die("cannot read %s", what + 1);
    fseek(f, 0, SEEK_END); expected_text_length = ftell(f); rewind(f);
    char *text = malloc(expected_text_length + 1);
    if ((long)fread(text, 1, expected_text_length, f) != expected_text_length) die("cannot read %s", what + 1);
    fclose(f); expected_text = text;
  } else { expected_text = what; expected_text_length = (long)strlen(what); }
}
// Whether n bytes at an offset of the body are the right ones.
static inline int body_is(long offset, const char *p, long n) {
  if (expected_text) return offset + n <= expected_text_length && !memcmp(expected_text + offset, p, n);
  if (!expected_pattern) return 1;
  while (n > 0) {
    long k = n < 262144 ? n : 262144;
    if (memcmp(expected_pattern + offset % 26, p, k)) return 0;
    offset += k; p += k; n -= k;
  }
  return 1;
}
#endif
