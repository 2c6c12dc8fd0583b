// A single-threaded epoll FastCGI responder with fixed answers: the backend when clients/gateways are measured.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>
#include "common.h"
static const char *o_addr, *o_head = "Content-Type: text/plain\r\n";
static long o_size = 14, o_rec = 65528, o_err = 0; static long o_stdin = 0; static int o_mpx = 0, o_early = 0, o_nopad = 0, o_app = 0, o_split = 0, o_cl = 1;
static volatile sig_atomic_t quit;
static void onsig(int s) { (void)s; quit = 1; }

// answers, one iovec list per request id, made on first use
typedef struct { struct iovec *v; int n; size_t total; } Ans;
static Ans *ans[65536]; static char *payload; static char *first; static long firstn;
static void rh(u8 *h, int t, int id, int len, int pad) { h[0] = 1; h[1] = t; h[2] = id >> 8; h[3] = id; h[4] = len >> 8; h[5] = len; h[6] = pad; h[7] = 0; }
static Ans *answer(int id) {
  if (ans[id]) return ans[id];
  long total = firstn + o_size; long nrec = total / o_rec + 2; char *hb = calloc(nrec + 8, 24 + 8); char *p = hb;
  Ans *a = calloc(1, sizeof *a); a->v = calloc(3 * nrec + 16, sizeof(struct iovec));
  char *runstart = p;
  #define CUT() do { if (p > runstart) { a->v[a->n++] = (struct iovec){ runstart, p - runstart }; runstart = p; } } while (0)
  if (o_err) for (long off = 0; off < o_err;) { long n = o_err - off > 65528 ? 65528 : o_err - off; rh((u8 *)p, 7, id, n, 0); p += 8; CUT(); a->v[a->n++] = (struct iovec){ payload, n }; off += n; }
  for (long off = 0; off < total;) {
    long n = total - off; if (n > o_rec) n = o_rec; if (o_split && off < firstn && n > firstn - off) n = firstn - off;
    int pad = o_nopad ? 0 : (8 - n % 8) % 8; rh((u8 *)p, 6, id, n, pad); p += 8; CUT();
    long f = off < firstn ? (firstn - off < n ? firstn - off : n) : 0;
    if (f) a->v[a->n++] = (struct iovec){ first + off, f };
    if (n - f) a->v[a->n++] = (struct iovec){ payload + (off + f - firstn) % 26, n - f }; // the alphabet goes on where it was
    memset(p, 0, pad); p += pad; off += n;
  }
  rh((u8 *)p, 6, id, 0, 0); p += 8; rh((u8 *)p, 3, id, 8, 0); p += 8; memset(p, 0, 8); p[3] = o_app; p += 8; CUT();
  for (int i = 0; i < a->n; i++) a->total += a->v[i].iov_len;
  if (a->total <= 65536) { char *f = malloc(a->total), *q = f; for (int i = 0; i < a->n; i++) { memcpy(q, a->v[i].iov_base, a->v[i].iov_len); q += a->v[i].iov_len; } a->n = 1; a->v[0] = (struct iovec){ f, a->total }; }
  return ans[id] = a;
}
typedef struct { u16 id; u8 kind; u8 pstat; } Out; // kind 0: full answer, 1: END_REQUEST(pstat), 2: raw blob (in .blob)
typedef struct Conn { int fd; int hgot, type, id, rem, pad; u8 h[8]; u8 b[8]; int bn; u8 closing, dead; u32 mask; u16 *act; int nact, cact; u8 *keepf; long *stdinn;
  Out *q; int qn, qh, qcap; int wi; size_t woff; char *blob; size_t blobn; u8 gv[512]; int gvn; } Conn;
static int ep; static u64 n_req, n_in, n_out, n_stdin, n_params, n_conn, n_abort, n_bad;
static int find(Conn *c, int id) { for (int i = 0; i < c->nact; i++) if (c->act[i] == id) return i; return -1; }
static void push(Conn *c, Out o) {
  if (c->qh + c->qn == c->qcap) { if (c->qh) { memmove(c->q, c->q + c->qh, c->qn * sizeof(Out)); c->qh = 0; } else { c->qcap = c->qcap ? c->qcap * 2 : 16; c->q = realloc(c->q, c->qcap * sizeof(Out)); } }
  c->q[c->qh + c->qn++] = o;
}
static void raw(Conn *c, const void *p, size_t n) { c->blob = realloc(c->blob, c->blobn + n); memcpy(c->blob + c->blobn, p, n); c->blobn += n; }
static void mod(Conn *c, u32 m) { if (c->mask == m) return; c->mask = m; struct epoll_event e = { .events = m, .data.ptr = c }; epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e); }
static Conn *freelist[65536]; static int nfree;
static void drop(Conn *c) { if (c->dead) return; close(c->fd); c->dead = 1; if (nfree < 65536) freelist[nfree++] = c; }
static u8 endrec[65536 / 8 * 0 + 16];
static void flush(Conn *c) {
  while (c->blobn && !(c->qn && (c->wi || c->woff))) { ssize_t w = send(c->fd, c->blob, c->blobn, MSG_NOSIGNAL); if (w < 0) { if (errno == EAGAIN) { mod(c, EPOLLIN | EPOLLOUT); return; } drop(c); return; } n_out += w; memmove(c->blob, c->blob + w, c->blobn - w); c->blobn -= w; }
  while (c->qn) {
    struct iovec v[256]; int n = 0; size_t want = 0; int wi = c->wi; size_t wo = c->woff;
    for (int k = 0; k < c->qn && n < 256; k++) {
      Ans *a = answer(c->q[c->qh + k].id);
      while (wi < a->n && n < 256) { v[n] = a->v[wi]; if (wo) { v[n].iov_base = (char *)v[n].iov_base + wo; v[n].iov_len -= wo; wo = 0; } want += v[n].iov_len; n++; wi++; }
      if (wi < a->n) break;
      wi = 0;
    }
    ssize_t w = n == 1 ? send(c->fd, v[0].iov_base, v[0].iov_len, MSG_NOSIGNAL) : writev(c->fd, v, n);
    if (w < 0) { if (errno == EAGAIN) { mod(c, EPOLLIN | EPOLLOUT); return; } drop(c); return; }
    n_out += w; size_t left = w;
    while (c->qn) {
      Ans *a = answer(c->q[c->qh].id);
      while (c->wi < a->n && left >= a->v[c->wi].iov_len - c->woff) { left -= a->v[c->wi].iov_len - c->woff; c->woff = 0; c->wi++; }
      if (c->wi < a->n) { c->woff += left; break; }
      c->wi = 0; c->woff = 0; c->qn--; c->qh++; if (!c->qn) c->qh = 0;
      if (!left) break;
    }
    if ((size_t)w < want) { mod(c, EPOLLIN | EPOLLOUT); return; }
  }
  if (c->closing && !c->qn && !c->blobn) { drop(c); return; }
  mod(c, EPOLLIN);
}
static void done(Conn *c, int i) { if (!c->keepf[i]) c->closing = 1; c->nact--; c->act[i] = c->act[c->nact]; c->keepf[i] = c->keepf[c->nact]; c->stdinn[i] = c->stdinn[c->nact]; }
static void endreq(Conn *c, int id, int ps) { rh(endrec, 3, id, 8, 0); memset(endrec + 8, 0, 8); endrec[12] = ps; raw(c, endrec, 16); }
static int record(Conn *c) { // a whole record was read
  int i;
  switch (c->type) {
    case 1: {
      int keep = c->b[2] & 1, role = c->b[0] << 8 | c->b[1];
      if (role != 1) { endreq(c, c->id, 3); if (!keep) c->closing = 1; return 0; }
      if (find(c, c->id) >= 0) { n_bad++; return -1; }
      if (c->nact && !o_mpx) { endreq(c, c->id, 1); return 0; }
      if (c->nact == c->cact) { c->cact = c->cact ? c->cact * 2 : 4; c->act = realloc(c->act, c->cact * 2); c->keepf = realloc(c->keepf, c->cact); c->stdinn = realloc(c->stdinn, c->cact * sizeof(long)); }
      c->act[c->nact] = c->id; c->stdinn[c->nact] = 0; c->keepf[c->nact++] = keep; return 0; }
    case 2: if ((i = find(c, c->id)) >= 0) { n_abort++; endreq(c, c->id, 0); done(c, i); } return 0;
    case 4: if (c->bn == 0 && o_early && (i = find(c, c->id)) >= 0) { n_req++; push(c, (Out){ c->id, 0, 0 }); done(c, i); } return 0;
    case 5: if (c->bn == 0 && !o_early && (i = find(c, c->id)) >= 0) {
        // A body that is not the one expected is refused, so that its sender counts an error.
        if (c->stdinn[i] != 0 && c->stdinn[i] != o_stdin) { n_bad++; endreq(c, c->id, 2); } else { n_req++; push(c, (Out){ c->id, 0, 0 }); }
        done(c, i);
      } return 0;
    case 9: {
      u8 o[512]; int n = 8; const char *val[3] = { "100000", "100000", o_mpx ? "1" : "0" }; const char *k[3] = { "FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS" };
      for (int p = 0; p + 2 <= c->gvn;) { int kl = c->gv[p], vl = c->gv[p + 1]; for (int j = 0; j < 3; j++) if ((int)strlen(k[j]) == kl && p + 2 + kl <= c->gvn && !memcmp(k[j], c->gv + p + 2, kl)) { o[n++] = kl; o[n++] = strlen(val[j]); memcpy(o + n, k[j], kl); n += kl; memcpy(o + n, val[j], strlen(val[j])); n += strlen(val[j]); } p += 2 + kl + vl; }
      int pad = (8 - (n - 8) % 8) % 8; rh(o, 10, 0, n - 8, pad); memset(o + n, 0, pad); raw(c, o, n + pad); return 0; }
    default: if (c->id == 0) { u8 o[16] = { 1, 11, 0, 0, 0, 8, 0, 0, (u8)c->type }; raw(c, o, 16); } return 0;
  }
}
static char rbuf[262144];
static int bytes(Conn *c, u8 *p, ssize_t n) {
  while (n > 0) {
    if (c->hgot < 8) {
      int k = 8 - c->hgot; if (k > n) k = n; memcpy(c->h + c->hgot, p, k); c->hgot += k; p += k; n -= k; if (c->hgot < 8) return 0;
      if (c->h[0] != 1) { n_bad++; return -1; }
      c->type = c->h[1]; c->id = c->h[2] << 8 | c->h[3]; c->rem = c->h[4] << 8 | c->h[5]; c->pad = c->h[6]; c->bn = 0; c->gvn = 0;
    } 
    if (c->rem) {
      int k = n < c->rem ? n : c->rem;
      if (c->type == 5) { n_stdin += k; c->bn = 1; int i = find(c, c->id); if (i >= 0) { c->stdinn[i] = body_is(c->stdinn[i], (char *)p, k) ? c->stdinn[i] + k : -1000000000; } } else if (c->type == 4) { n_params += k; c->bn = 1; }
      else if (c->type == 9) { int m = (int)sizeof c->gv - c->gvn; if (m > k) m = k; memcpy(c->gv + c->gvn, p, m); c->gvn += m; }
      else { int m = 8 - c->bn; if (m > k) m = k; memcpy(c->b + c->bn, p, m); c->bn += m; }
      c->rem -= k; p += k; n -= k; if (c->rem) return 0;
    }
    if (c->pad) { int k = n < c->pad ? n : c->pad; c->pad -= k; p += k; n -= k; if (c->pad) return 0; }
    c->hgot = 0; if (record(c) < 0) return -1;
  }
  return 0;
}
int main(int argc, char **argv) {
  int o; while ((o = getopt(argc, argv, "a:s:r:H:meE:NX:SLb:h")) != -1) switch (o) {
    case 'a': o_addr = optarg; break; case 's': o_size = atol(optarg); break; case 'r': o_rec = atol(optarg); break; case 'H': o_head = optarg; break;
    case 'm': o_mpx = 1; break; case 'e': o_early = 1; break; case 'E': o_err = atol(optarg); break; case 'N': o_nopad = 1; break; case 'X': o_app = atoi(optarg); break;
    case 'b': o_stdin = atol(optarg); break; case 'S': o_split = 1; break; case 'L': o_cl = 0; break;
    default: fprintf(stderr, "fastcgi_sink -a HOST:PORT|/unix/path [-s body bytes (14: Hello, world!)] [-r STDOUT record size (65528)] [-m allow multiplexing]\n"
      "  [-e answer at the end of PARAMS instead of STDIN] [-E n bytes of STDERR first] [-N no padding] [-X appStatus] [-S CGI header in its own record]\n"
      "  [-b bytes that STDIN must have, a to z again and again, unless it is empty] [-L no Content-Length header] [-H 'Header: lines\\r\\n'];  SIGINT/SIGTERM prints counters and ends it\n"); return 2; }
  expect_body("alphabet");
  if (!o_addr || o_rec < 1 || o_rec > 65535) die("-a needed");
  payload = malloc(65536 + 26); for (long i = 0; i < 65536 + 26; i++) payload[i] = 'a' + i % 26;
  if (o_size == 14) memcpy(payload, "Hello, world!\n", 14);
  first = malloc(strlen(o_head) + 128); firstn = o_cl ? sprintf(first, "%sContent-Length: %ld\r\n\r\n", o_head, o_size) : sprintf(first, "%s\r\n", o_head);
  const char *a = o_addr; if (!strncmp(a, "unix:", 5)) a += 5; int l;
  if (strchr(a, '/')) { struct sockaddr_un u = { .sun_family = AF_UNIX }; strcpy(u.sun_path, a); unlink(a); l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0); if (bind(l, (void *)&u, sizeof u)) die("bind %s: %s", a, strerror(errno)); chmod(a, 0777); }
  else { char h[256]; snprintf(h, sizeof h, "%s", a); char *c = strrchr(h, ':'); const char *port = c ? c + 1 : h; if (c) *c = 0; struct sockaddr_in s = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) }; inet_pton(AF_INET, c && h[0] ? h : "127.0.0.1", &s.sin_addr); l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); int one = 1; setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one); if (bind(l, (void *)&s, sizeof s)) die("bind %s: %s", o_addr, strerror(errno)); }
  if (listen(l, 4096)) die("listen");
  signal(SIGPIPE, SIG_IGN); struct sigaction sg = { .sa_handler = onsig }; sigaction(SIGINT, &sg, 0); sigaction(SIGTERM, &sg, 0);
  ep = epoll_create1(0); struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL }; epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
  printf("fastcgi_sink listening %s pid %d\n", o_addr, getpid()); fflush(stdout);
  struct epoll_event ev[512];
  while (!quit) {
    int n = epoll_wait(ep, ev, 512, -1); if (n < 0) continue;
    int fl0 = nfree; 
    for (int i = 0; i < n; i++) {
      Conn *c = ev[i].data.ptr;
      if (!c) for (;;) { int fd = accept4(l, 0, 0, SOCK_NONBLOCK); if (fd < 0) break; int one = 1; setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); n_conn++;
          Conn *x; if (fl0 > 0) { x = freelist[--fl0]; nfree--; freelist[fl0] = freelist[nfree]; free(x->blob); free(x->q); free(x->act); free(x->keepf); free(x->stdinn); memset(x, 0, sizeof *x); } else x = calloc(1, sizeof *x);
          x->fd = fd; x->mask = EPOLLIN; struct epoll_event e2 = { .events = EPOLLIN, .data.ptr = x }; epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e2); }
      else {
        if (c->dead) continue;
        if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) for (int k = 0; k < 4; k++) {
          ssize_t r = read(c->fd, rbuf, sizeof rbuf); if (r < 0) { if (errno == EAGAIN) break; drop(c); break; } if (r == 0) { drop(c); break; }
          n_in += r; if (!c->closing && bytes(c, (u8 *)rbuf, r) < 0) { drop(c); break; } if (r < (ssize_t)sizeof rbuf) break; }
        if (!c->dead && (c->qn || c->blobn || c->closing)) flush(c);
      }
    }
  }
  struct rusage r; getrusage(RUSAGE_SELF, &r);
  printf("{\"requests\":%llu,\"connections\":%llu,\"stdin_bytes\":%llu,\"params_bytes\":%llu,\"in_bytes\":%llu,\"out_bytes\":%llu,\"aborts\":%llu,\"bad\":%llu,\"cpu_us\":%llu}\n", (unsigned long long)n_req, (unsigned long long)n_conn, (unsigned long long)n_stdin, (unsigned long long)n_params, (unsigned long long)n_in, (unsigned long long)n_out, (unsigned long long)n_abort, (unsigned long long)n_bad, (unsigned long long)((r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000ull + r.ru_utime.tv_usec + r.ru_stime.tv_usec));
  if (strchr(a, '/')) unlink(a);
  return 0;
}
