// A single-threaded epoll FastCGI load generator (Responder role).
// Closed loop by default (every slot always has a request in flight), -R makes it open loop.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
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
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

// ---------------------------------------------------------------- options
static const char *o_addr = NULL, *o_profile = "nginx", *o_uri = "/", *o_script = NULL, *o_label = NULL, *o_method = NULL;
static int o_conns = 1, o_inflight = 1, o_keep = 1, o_abrupt = 0, o_verbose = 0, o_getvalues = 0;
static double o_secs = 5, o_warm = 0.5, o_rate = 0, o_stall = 5;
static long o_body = 0, o_rec = 32768, o_expect_out = -1, o_expect_body = -1, o_maxreq = 0, o_rbuf = 262144;
static int o_anystatus = 0;
enum { MIN_ANSWERS = 10 };
static char *extra[256]; static int nextra;

// ---------------------------------------------------------------- params
typedef struct { char *p; size_t n, cap; } Buf;
static void bput(Buf *b, const void *d, size_t n) {
  if (b->n + n > b->cap) { b->cap = (b->n + n) * 2 + 64; b->p = realloc(b->p, b->cap); }
  memcpy(b->p + b->n, d, n); b->n += n;
}
static void blen(Buf *b, size_t n) {
  if (n < 128) { u8 c = n; bput(b, &c, 1); }
  else { u8 c[4] = { (u8)((n >> 24) | 0x80), (u8)(n >> 16), (u8)(n >> 8), (u8)n }; bput(b, c, 4); }
}
static struct { char *k, *v; } pv[1024]; static int npv;
static void pset(const char *k, const char *v) {
  for (int i = 0; i < npv; i++) if (!strcmp(pv[i].k, k)) { pv[i].v = strdup(v); return; }
  if (npv == 1024) die("too many params");
  pv[npv].k = strdup(k); pv[npv++].v = strdup(v);
}
static Buf params;
static void build_params(void) {
  char path[4096]; snprintf(path, sizeof path, "%s", o_uri);
  char *qs = strchr(path, '?'); if (qs) *qs++ = 0;
  char num[32]; snprintf(num, sizeof num, "%ld", o_body);
  const char *meth = o_method ? o_method : (o_body > 0 ? "POST" : "GET");
  char scriptname[4096];
  if (o_script) { const char *b = strrchr(o_script, '/'); snprintf(scriptname, sizeof scriptname, "/%s", b ? b + 1 : o_script); }
  else snprintf(scriptname, sizeof scriptname, "%s", path);
  char sf[8192]; if (o_script) snprintf(sf, sizeof sf, "%s", o_script); else snprintf(sf, sizeof sf, "/var/www/html%s", path);
  int known = 1;
  if (!strcmp(o_profile, "min")) {
    pset("SCRIPT_FILENAME", sf); pset("QUERY_STRING", qs ? qs : ""); pset("REQUEST_METHOD", meth);
    pset("CONTENT_LENGTH", o_body > 0 ? num : ""); pset("SCRIPT_NAME", scriptname); pset("REQUEST_URI", o_uri);
    pset("SERVER_PROTOCOL", "HTTP/1.1"); pset("HTTP_HOST", "localhost");
  } else if (!strcmp(o_profile, "nginx") || !strcmp(o_profile, "browser")) {
    // nginx 1.22's fastcgi.conf, in its order
    pset("SCRIPT_FILENAME", sf);
    pset("QUERY_STRING", qs ? qs : ""); pset("REQUEST_METHOD", meth);
    pset("CONTENT_TYPE", o_body > 0 ? "application/octet-stream" : ""); pset("CONTENT_LENGTH", o_body > 0 ? num : "");
    pset("SCRIPT_NAME", scriptname); pset("REQUEST_URI", o_uri); pset("DOCUMENT_URI", scriptname);
    pset("DOCUMENT_ROOT", "/var/www/html"); pset("SERVER_PROTOCOL", "HTTP/1.1"); pset("REQUEST_SCHEME", "http");
    pset("GATEWAY_INTERFACE", "CGI/1.1"); pset("SERVER_SOFTWARE", "nginx/1.22.1");
    pset("REMOTE_ADDR", "127.0.0.1"); pset("REMOTE_PORT", "51234"); pset("SERVER_ADDR", "127.0.0.1");
    pset("SERVER_PORT", "8080"); pset("SERVER_NAME", "localhost"); pset("REDIRECT_STATUS", "200");
    pset("HTTP_HOST", "localhost:8080");
    pset("HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36");
    pset("HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    pset("HTTP_ACCEPT_ENCODING", "gzip, deflate, br"); pset("HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.9");
    pset("HTTP_CONNECTION", "keep-alive");
    if (o_body > 0) { pset("HTTP_CONTENT_TYPE", "application/octet-stream"); pset("HTTP_CONTENT_LENGTH", num); }
    if (!strcmp(o_profile, "browser")) {
      pset("HTTP_SEC_CH_UA", "\"Not/A)Brand\";v=\"8\", \"Chromium\";v=\"126\", \"Google Chrome\";v=\"126\"");
      pset("HTTP_SEC_CH_UA_MOBILE", "?0"); pset("HTTP_SEC_CH_UA_PLATFORM", "\"Linux\"");
      pset("HTTP_UPGRADE_INSECURE_REQUESTS", "1"); pset("HTTP_SEC_FETCH_SITE", "same-origin");
      pset("HTTP_SEC_FETCH_MODE", "navigate"); pset("HTTP_SEC_FETCH_USER", "?1"); pset("HTTP_SEC_FETCH_DEST", "document");
      pset("HTTP_REFERER", "http://localhost:8080/some/previous/page?with=query&and=more"); pset("HTTP_CACHE_CONTROL", "max-age=0");
      pset("HTTP_X_FORWARDED_FOR", "203.0.113.77"); pset("HTTP_X_FORWARDED_PROTO", "https"); pset("HTTP_X_REQUEST_ID", "5f0c7f1e3b7a4d0c9e8f0b1a2c3d4e5f");
      char ck[1201]; for (int i = 0; i < 1200; i++) ck[i] = i % 61 == 60 ? ';' : "abcdefghijklmnopqrstuvwxyz0123456789="[i * 7 % 37];
      ck[1200] = 0; pset("HTTP_COOKIE", ck);
    }
  } else known = 0;
  if (!known) { // a file of NAME=VALUE lines
    FILE *f = fopen(o_profile, "r"); if (!f) die("params profile '%s': not nginx|min|browser and not a readable file", o_profile);
    char *line = NULL; size_t cap = 0; ssize_t n;
    while ((n = getline(&line, &cap, f)) > 0) {
      while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = 0;
      if (!n || line[0] == '#') continue;
      char *eq = strchr(line, '='); if (!eq) die("bad line in %s: %s", o_profile, line);
      *eq = 0; pset(line, eq + 1);
    }
    fclose(f); free(line);
    if (o_body > 0) { pset("REQUEST_METHOD", meth); pset("CONTENT_LENGTH", num); }
  }
  for (int i = 0; i < nextra; i++) { char *eq = strchr(extra[i], '='); if (!eq) die("-e NAME=VALUE"); *eq = 0; pset(extra[i], eq + 1); *eq = '='; }
  for (int i = 0; i < npv; i++) {
    size_t kl = strlen(pv[i].k), vl = strlen(pv[i].v);
    blen(&params, kl); blen(&params, vl); bput(&params, pv[i].k, kl); bput(&params, pv[i].v, vl);
  }
}

// ---------------------------------------------------------------- request templates, one per slot (id = slot+1)
typedef struct { struct iovec *iov; int n; size_t total; } Tmpl;
static Tmpl *tmpl;
static char *bodybuf;
static void rechdr(u8 *h, int type, int id, int len, int pad) {
  h[0] = 1; h[1] = type; h[2] = id >> 8; h[3] = id; h[4] = len >> 8; h[5] = len; h[6] = pad; h[7] = 0;
}
static void build_tmpl(Tmpl *t, int id) {
  static const u8 zero[8];
  u8 h[8]; Buf b = {0};
  size_t cuts[70000]; int ncut = 0; long clens[70000], starts[70000]; // where body chunks go
  rechdr(h, 1, id, 8, 0); bput(&b, h, 8);
  u8 br[8] = { 0, 1, o_keep ? 1 : 0 }; bput(&b, br, 8);
  for (size_t off = 0; off < params.n;) {
    size_t n = params.n - off; if (n > 65528) n = 65528;
    int pad = (8 - n % 8) % 8;
    rechdr(h, 4, id, n, pad); bput(&b, h, 8); bput(&b, params.p + off, n); bput(&b, zero, pad); off += n;
  }
  rechdr(h, 4, id, 0, 0); bput(&b, h, 8);
  for (long off = 0; off < o_body;) {
    long n = o_body - off; if (n > o_rec) n = o_rec;
    int pad = (8 - n % 8) % 8;
    rechdr(h, 5, id, n, pad); bput(&b, h, 8);
    if (ncut >= 70000) die("body too large for this record size");
    cuts[ncut] = b.n; starts[ncut] = off % 26; clens[ncut++] = n;
    bput(&b, zero, pad); off += n;
  }
  rechdr(h, 5, id, 0, 0); bput(&b, h, 8);
  t->total = b.n + o_body;
  if (t->total <= 65536) { // flatten
    char *f = malloc(t->total), *q = f; size_t prev = 0;
    for (int i = 0; i < ncut; i++) { memcpy(q, b.p + prev, cuts[i] - prev); q += cuts[i] - prev; prev = cuts[i]; memcpy(q, bodybuf + starts[i], clens[i]); q += clens[i]; }
    memcpy(q, b.p + prev, b.n - prev);
    t->iov = malloc(sizeof *t->iov); t->n = 1; t->iov[0] = (struct iovec){ f, t->total }; free(b.p);
  } else {
    t->iov = malloc(sizeof *t->iov * (2 * ncut + 1)); t->n = 0; size_t prev = 0;
    for (int i = 0; i < ncut; i++) {
      t->iov[t->n++] = (struct iovec){ b.p + prev, cuts[i] - prev }; prev = cuts[i];
      t->iov[t->n++] = (struct iovec){ bodybuf + starts[i], clens[i] };
    }
    t->iov[t->n++] = (struct iovec){ b.p + prev, b.n - prev };
  }
}

// ---------------------------------------------------------------- connections
#define HCAP 4096
typedef struct { u64 t0; u64 out; long body; int hn; u16 status; u8 active, writing, ended, anybytes, eof, wrong; char *hb; } Slot;
typedef struct Conn {
  int fd; u8 connected, wantout, waitclose, everserved; u64 closedeadline;
  int hgot, type, id, rem, pad; u8 h[8]; u8 eb[8]; int ebn;
  Slot *slots; int *q; int qh, qn; int wi; size_t woff; // write queue of slots, position inside the head one
  u32 evmask;
} Conn;
static Conn *conns; static int ep; static struct sockaddr_storage sa; static socklen_t salen; static int is_unix;
static char *rbuf;

// counters of the window
static u64 c_req, c_err, c_in, c_out, c_stdout, c_stdin, c_stderr, c_connects, c_closes, c_noclose, c_eagain, c_early;
static u64 e_proto, e_status, e_size, e_closed, e_http, e_connect, e_badrec, e_noteof, e_late, e_content, c_stray; static u64 last_done;
static u64 t_end; static int stopping, dumped;
static int idle_n; static struct { int c, s; } *idle; // open-loop: slots waiting for their turn
static int retry_n; static int *retry_q; // connections to reopen shortly

static void start_request(Conn *c, int s, u64 t0);
static void conn_flush(Conn *c);

static void ep_set(Conn *c, u32 m, int add) {
  if (!add && c->evmask == m) return;
  struct epoll_event e = { .events = m, .data.ptr = c }; c->evmask = m;
  if (epoll_ctl(ep, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &e)) die("epoll_ctl: %s", strerror(errno));
}
static int conn_open(Conn *c) {
  int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket: %s", strerror(errno));
  if (!is_unix) { int one = 1; setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); }
  c->fd = fd; c->hgot = 0; c->rem = c->pad = 0; c->ebn = 0; c->waitclose = 0; c->wi = 0; c->woff = 0; c->type = 0;
  c->connected = 0; c->wantout = 0; c_connects++;
  if (connect(fd, (void *)&sa, salen) == 0) { c->connected = 1; ep_set(c, EPOLLIN, 1); return 0; }
  if (errno == EINPROGRESS) { ep_set(c, EPOLLIN | EPOLLOUT, 1); return 0; }
  if (errno == EAGAIN) { close(fd); c->fd = -1; c_eagain++; return -1; } // unix backlog full
  int er = errno; close(fd); c->fd = -1; errno = er; return -2;
}
static void finish(Conn *c, int s, int bad, u64 now) {
  Slot *sl = &c->slots[s]; sl->active = 0; last_done = now; c->everserved = 1;
  if (bad) c_err++; else { c_req++; hadd(now - sl->t0); }
  if (o_maxreq && (long)(c_req + c_err) >= o_maxreq) stopping = 1;
}
static void next_on(Conn *c, int s, u64 now) {
  if (stopping) return;
  if (o_rate > 0) { idle[idle_n].c = c - conns; idle[idle_n++].s = s; return; }
  start_request(c, s, now);
}
// drop the connection; every active slot fails (counted) unless quiet, and all slots are restarted on a new connection
static void conn_drop(Conn *c, u64 now, int quiet) {
  if (c->fd >= 0) { close(c->fd); c->fd = -1; }
  c->qn = 0; c->qh = 0; c->connected = 0; c->waitclose = 0;
  for (int s = 0; s < o_inflight; s++) {
    Slot *sl = &c->slots[s];
    if (sl->active) { if (!quiet) { e_closed++; finish(c, s, 1, now); } sl->active = 0; sl->writing = 0; next_on(c, s, now); }
    else if (sl->writing) { sl->writing = 0; next_on(c, s, now); }
  }
}
static void start_request(Conn *c, int s, u64 t0) {
  Slot *sl = &c->slots[s];
  sl->t0 = t0; sl->out = 0; sl->body = -1; sl->hn = 0; sl->status = 0; sl->active = 1; sl->writing = 1; sl->ended = 0; sl->anybytes = 0; sl->eof = 0; sl->wrong = 0;
  c->q[(c->qh + c->qn++) % o_inflight] = s;
  if (c->fd < 0) {
    int r = conn_open(c);
    if (r == -1) { retry_q[retry_n++] = c - conns; return; }
    if (r == -2) { e_connect++; if (e_connect > 1000 && !c_req) die("connect %s: %s", o_addr, strerror(errno)); retry_q[retry_n++] = c - conns; return; }
  }
}
static void conn_flush(Conn *c) {
  struct iovec v[128];
  while (c->qn && c->fd >= 0 && c->connected) {
    int n = 0; size_t want = 0; int k = 0, wi = c->wi; size_t wo = c->woff;
    while (k < c->qn && n < 128) {
      Tmpl *t = &tmpl[c->q[(c->qh + k) % o_inflight]];
      while (wi < t->n && n < 128) { v[n] = t->iov[wi]; if (wo) { v[n].iov_base = (char *)v[n].iov_base + wo; v[n].iov_len -= wo; wo = 0; } want += v[n].iov_len; n++; wi++; }
      if (wi < t->n) break;
      wi = 0; k++;
    }
    ssize_t w = n == 1 ? send(c->fd, v[0].iov_base, v[0].iov_len, MSG_NOSIGNAL) : writev(c->fd, v, n);
    if (w < 0) {
      if (errno == EAGAIN) { ep_set(c, EPOLLIN | EPOLLOUT, 0); return; }
      if (errno == EINTR) continue;
      return; // EPIPE/ECONNRESET: the read side reports it
    }
    c_out += w;
    size_t left = w;
    while (c->qn) {
      int s = c->q[c->qh]; Tmpl *t = &tmpl[s];
      while (c->wi < t->n && left >= t->iov[c->wi].iov_len - c->woff) { left -= t->iov[c->wi].iov_len - c->woff; c->woff = 0; c->wi++; }
      if (c->wi < t->n) { c->woff += left; break; }
      c->wi = 0; c->woff = 0; c->qh = (c->qh + 1) % o_inflight; c->qn--; c_stdin += o_body;
      Slot *sl = &c->slots[s]; sl->writing = 0;
      if (!sl->active && sl->ended) { sl->ended = 0; next_on(c, s, now_ns()); } // answered before its STDIN was all sent
      if (!left) break;
    }
    if ((size_t)w < want) { ep_set(c, EPOLLIN | EPOLLOUT, 0); return; }
  }
  if (c->fd >= 0 && c->connected) ep_set(c, EPOLLIN, 0);
}
static void take_head(Slot *sl, const u8 *p, int n) {
  int room = HCAP - sl->hn; int k = n < room ? n : room; int from = sl->hn > 3 ? sl->hn - 3 : 0;
  memcpy(sl->hb + sl->hn, p, k); sl->hn += k;
  char *e = memmem(sl->hb + from, sl->hn - from, "\r\n\r\n", 4); int el = 4;
  if (!e) { e = memmem(sl->hb + from, sl->hn - from, "\n\n", 2); el = 2; }
  if (!e) { if (sl->hn == HCAP) { sl->status = 999; sl->body = 0; } return; }
  long hl = e - sl->hb + el;
  sl->status = 200;
  for (char *l = sl->hb; l < e;) {
    if (e - l > 7 && !strncasecmp(l, "Status:", 7)) { sl->status = atoi(l + 7); break; }
    char *nl = memchr(l, '\n', e - l); if (!nl) break; l = nl + 1;
  }
  sl->body = (long)sl->out + n - hl - 0; // out not yet increased by n: bytes of body in this record so far
}
// returns -1 when the connection was dropped
static int on_bytes(Conn *c, const u8 *p, ssize_t n, u64 now) {
  while (n > 0) {
    if (c->rem) {
      int k = n < c->rem ? n : c->rem;
      if (c->type == 6) {
        Slot *sl = &c->slots[c->id - 1];
        if (sl->body < 0) { take_head(sl, p, k); if (sl->body > 0 && !body_is(0, (const char *)p + k - sl->body, sl->body)) sl->wrong = 1; }
        else { if (!body_is(sl->body, (const char *)p, k)) sl->wrong = 1; sl->body += k; }
        sl->out += k; sl->anybytes = 1; c_stdout += k;
        if (o_verbose && !dumped) fwrite(p, 1, k, stderr);
      } else if (c->type == 3) { int m = 8 - c->ebn; if (m > k) m = k; memcpy(c->eb + c->ebn, p, m); c->ebn += m; }
      else if (c->type == 7) { c_stderr += k; c->slots[c->id - 1].anybytes = 1; if (o_verbose && !dumped) { fprintf(stderr, "[stderr] "); fwrite(p, 1, k, stderr); } }
      c->rem -= k; p += k; n -= k;
      if (c->rem) return 0;
      if (c->pad) continue;
    }
    else if (c->pad && c->hgot == 8) { int k = n < c->pad ? n : c->pad; c->pad -= k; p += k; n -= k; if (c->pad) return 0; }
    else {
      if (c->hgot == 8) c->hgot = 0;
      int k = 8 - c->hgot; if (k > n) k = n;
      memcpy(c->h + c->hgot, p, k); c->hgot += k; p += k; n -= k;
      if (c->hgot < 8) return 0;
      c->type = c->h[1]; c->id = c->h[2] << 8 | c->h[3]; c->rem = c->h[4] << 8 | c->h[5]; c->pad = c->h[6]; c->ebn = 0;
      int ok = c->h[0] == 1 && (c->type == 6 || c->type == 7 || c->type == 3) && c->id >= 1 && c->id <= o_inflight && c->slots[c->id - 1].active;
      if (ok && c->type == 3 && c->rem < 8) ok = 0;
      if (!ok) {
        e_badrec++; if (e_badrec < 4) fprintf(stderr, "fastcgi_load: bad record version=%d type=%d id=%d len=%d pad=%d\n", c->h[0], c->type, c->id, c->rem, c->pad);
        conn_drop(c, now, 0); return -1;
      }
      if (c->type == 7 && c->rem == 0 && !c->slots[c->id - 1].anybytes) e_late++; // an end of STDERR before anything else: most likely the previous request's, sent after its END_REQUEST
      if (c->type == 6 && c->rem == 0) c->slots[c->id - 1].eof = 1;
      if (c->rem || c->pad) continue;
    }
    // a whole record was read
    c->hgot = 0;
    if (c->type == 3) {
      int s = c->id - 1; Slot *sl = &c->slots[s]; int bad = 0;
      if (c->eb[4] != 0) { bad = 1; e_proto++; }
      else if (sl->body < 0) { bad = 1; e_http++; }
      else if (!o_anystatus && (sl->status < 200 || sl->status > 299)) { bad = 1; e_status++; if (e_status == 1) fprintf(stderr, "fastcgi_load: status %d\n", sl->status); }
      else if (sl->wrong) { bad = 1; e_content++; }
      else if ((o_expect_out >= 0 && (long)sl->out != o_expect_out) || (o_expect_body >= 0 && sl->body != o_expect_body)) {
        bad = 1; e_size++; if (e_size == 1) fprintf(stderr, "fastcgi_load: stdout %llu bytes, body %ld bytes\n", (unsigned long long)sl->out, sl->body);
      }
      if (!sl->eof) e_noteof++; // allowed by the spec for STDOUT after data, kept as information only
      if (o_verbose && !dumped) { dumped = 1; fprintf(stderr, "\n[END_REQUEST appStatus=%d protocolStatus=%d stdout=%llu body=%ld status=%d]\n", c->eb[0] << 24 | c->eb[1] << 16 | c->eb[2] << 8 | c->eb[3], c->eb[4], (unsigned long long)sl->out, sl->body, sl->status); }
      finish(c, s, bad, now);
      if (!o_keep) {
        c->type = 0;
        if (o_abrupt) { conn_drop(c, now, 1); next_on(c, 0, now); return -1; }
        c->waitclose = 1; c->closedeadline = now + 1000000000ull; return 0;
      }
      if (sl->writing) { sl->ended = 1; c_early++; } else next_on(c, s, now);
      if (c->fd < 0) return -1;
    }
  }
  return 0;
}
static void closed(Conn *c, u64 now) {
  int act = 0; for (int s = 0; s < o_inflight; s++) act |= c->slots[s].active;
  if (c->waitclose) { conn_drop(c, now, 1); next_on(c, 0, now); return; }
  if (!act) c_closes++;
  conn_drop(c, now, 0);
}
static void on_event(Conn *c, u32 ev) {
  if (c->fd < 0) return;
  if (!c->connected) {
    int er = 0; socklen_t l = sizeof er; getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &er, &l);
    if (er || (ev & EPOLLHUP)) { e_connect++; close(c->fd); c->fd = -1; if (e_connect > 1000 && !c_req) die("connect %s: %s", o_addr, strerror(er)); retry_q[retry_n++] = c - conns; return; }
    if (!(ev & EPOLLOUT)) return;
    c->connected = 1; conn_flush(c); return;
  }
  if (ev & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    for (int i = 0; i < 4; i++) {
      ssize_t n = read(c->fd, rbuf, o_rbuf);
      if (n < 0) { if (errno == EAGAIN) break; if (errno == EINTR) continue; closed(c, now_ns()); goto out; }
      if (n == 0) { closed(c, now_ns()); goto out; }
      c_in += n;
      if (c->waitclose) continue; // bytes after END_REQUEST on a closing connection
      if (on_bytes(c, (u8 *)rbuf, n, now_ns()) < 0) goto out;
      if (n < o_rbuf) break;
    }
  }
out:
  if (c->qn && c->connected) conn_flush(c);
}

static void resolve(void) {
  const char *a = o_addr; if (!strncmp(a, "unix:", 5)) a += 5;
  if (strchr(a, '/')) { struct sockaddr_un *u = (void *)&sa; u->sun_family = AF_UNIX; if (strlen(a) >= sizeof u->sun_path) die("unix path too long"); strcpy(u->sun_path, a); salen = sizeof *u; is_unix = 1; return; }
  char h[256]; snprintf(h, sizeof h, "%s", a); char *c = strrchr(h, ':'); const char *host = "127.0.0.1", *port = h;
  if (c) { *c = 0; host = h[0] ? h : "127.0.0.1"; port = c + 1; }
  struct addrinfo hi = { .ai_socktype = SOCK_STREAM }, *r; if (getaddrinfo(host, port, &hi, &r)) die("cannot resolve %s", o_addr);
  memcpy(&sa, r->ai_addr, r->ai_addrlen); salen = r->ai_addrlen; freeaddrinfo(r);
}
static void get_values(void) {
  int fd = socket(sa.ss_family, SOCK_STREAM, 0); if (connect(fd, (void *)&sa, salen)) die("connect: %s", strerror(errno));
  Buf b = {0}; const char *k[] = { "FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS" };
  for (int i = 0; i < 3; i++) { blen(&b, strlen(k[i])); blen(&b, 0); bput(&b, k[i], strlen(k[i])); }
  u8 h[8]; rechdr(h, 9, 0, b.n, 0); if (write(fd, h, 8) != 8 || write(fd, b.p, b.n) != (ssize_t)b.n) die("write");
  struct timeval tv = { 1, 0 }; setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  u8 r[4096]; size_t n = 0; while (n < 8 || n < 8u + (r[4] << 8 | r[5])) { ssize_t k2 = read(fd, r + n, sizeof r - n); if (k2 <= 0) { printf("{\"get_values\":null}\n"); exit(1); } n += k2; }
  printf("{\"type\":%d,\"get_values\":{", r[1]); size_t e = 8 + (r[4] << 8 | r[5]), i = 8; int first = 1;
  while (i + 2 <= e) { int kl = r[i], vl = r[i + 1]; printf("%s\"%.*s\":\"%.*s\"", first ? "" : ",", kl, r + i + 2, vl, r + i + 2 + kl); first = 0; i += 2 + kl + vl; }
  printf("}}\n"); exit(0);
}
static void usage(void) {
  fprintf(stderr,
    "fastcgi_load -a HOST:PORT|/unix/path [options]\n"
    "  -c N     connections (1)            -p N   requests in flight per connection (1; >1 multiplexes ids 1..N)\n"
    "  -d SEC   measured seconds (5)       -w SEC warm-up before them (0.5)      -n N  stop after N requests\n"
    "  -k on|off|abrupt  FCGI_KEEP_CONN (on); off: new connection per request and wait for the server's close;\n"
    "                    abrupt: like off, but close at END_REQUEST\n"
    "  -P nginx|min|browser|FILE  params profile (nginx: fastcgi.conf + usual HTTP_*; FILE: NAME=VALUE lines)\n"
    "  -e NAME=VALUE  set one more param    -u URI  REQUEST_URI (/)   -S FILE  SCRIPT_FILENAME (for php-fpm)   -M METHOD\n"
    "  -b BYTES STDIN body (POST)          -B BYTES STDIN record size (32768)\n"
    "  -x BYTES expected STDOUT bytes      -y BYTES expected body bytes (after the CGI header)   -A  accept any status\n"
    "  -C BODY  what every body must be: a text, @FILE, or \"alphabet\": a to z again and again, as STDIN bodies are\n"
    "  -R RPS   open loop at this rate (latency counted from the intended start)\n"
    "  -m PID[,PID..]  also report these processes' CPU and RSS over the measured window\n"
    "  -r BYTES read size (262144)         -T SEC  give up when nothing finishes for SEC (5)\n"
    "  -l TEXT  label for the JSON         -v  dump the first response to stderr     -G  only ask GET_VALUES\n");
  exit(2);
}
int main(int argc, char **argv) {
  int o;
  while ((o = getopt(argc, argv, "a:c:p:d:w:n:k:P:e:u:S:M:b:B:x:y:C:AR:m:r:T:l:vGh")) != -1) switch (o) {
    case 'a': o_addr = optarg; break; case 'c': o_conns = atoi(optarg); break; case 'p': o_inflight = atoi(optarg); break;
    case 'd': o_secs = atof(optarg); break; case 'w': o_warm = atof(optarg); break; case 'n': o_maxreq = atol(optarg); break;
    case 'k': o_keep = !strcmp(optarg, "on") || !strcmp(optarg, "1"); o_abrupt = !strcmp(optarg, "abrupt"); break;
    case 'P': o_profile = optarg; break; case 'e': if (nextra < 256) extra[nextra++] = optarg; break; case 'u': o_uri = optarg; break;
    case 'S': o_script = optarg; break; case 'M': o_method = optarg; break; case 'b': o_body = atol(optarg); break;
    case 'B': o_rec = atol(optarg); break; case 'x': o_expect_out = atol(optarg); break; case 'y': o_expect_body = atol(optarg); break;
    case 'C': expect_body(optarg); break; case 'A': o_anystatus = 1; break; case 'R': o_rate = atof(optarg); break; case 'm': o_mpids = optarg; break; case 'r': o_rbuf = atol(optarg); break;
    case 'T': o_stall = atof(optarg); break; case 'l': o_label = optarg; break; case 'v': o_verbose = 1; break; case 'G': o_getvalues = 1; break;
    default: usage();
  }
  if (!o_addr || o_conns < 1 || o_inflight < 1 || o_inflight > 65535 || o_rec < 1 || o_rec > 65535) usage();
  if (!o_keep && o_inflight > 1) die("-k off needs -p 1");
  signal(SIGPIPE, SIG_IGN); resolve(); if (o_getvalues) get_values();
  build_params(); bodybuf = malloc(65536 + 26); for (int i = 0; i < 65536 + 26; i++) bodybuf[i] = 'a' + i % 26;
  tmpl = calloc(o_inflight, sizeof *tmpl); for (int s = 0; s < o_inflight; s++) build_tmpl(&tmpl[s], s + 1);
  rbuf = malloc(o_rbuf); conns = calloc(o_conns, sizeof *conns); idle = calloc((size_t)o_conns * o_inflight, sizeof *idle); retry_q = calloc((size_t)o_conns * (o_inflight + 1) + 16, sizeof *retry_q);
  ep = epoll_create1(EPOLL_CLOEXEC);
  u64 t_begin = now_ns(), t_meas = t_begin + (u64)(o_warm * 1e9); t_end = t_meas + (u64)(o_secs * 1e9); last_done = t_begin;
  int warm = o_warm > 0; u64 st0 = 0, sc0 = 0, self0 = 0, m0 = t_begin; long rss = 0;
  if (!warm) { pids_cpu(&st0, &sc0, &rss); self0 = self_us(); m0 = now_ns(); }
  double gap = o_rate > 0 ? 1e9 / o_rate : 0; double nextstart = t_begin;
  for (int i = 0; i < o_conns; i++) {
    Conn *c = &conns[i]; c->fd = -1; c->slots = calloc(o_inflight, sizeof(Slot)); c->q = calloc(o_inflight, sizeof(int));
    for (int s = 0; s < o_inflight; s++) c->slots[s].hb = malloc(HCAP);
    for (int s = 0; s < o_inflight; s++) next_on(c, s, now_ns());
    if (c->connected) conn_flush(c);
  }
  struct epoll_event ev[256]; int stalled = 0; u64 lastsweep = t_begin;
  for (;;) {
    u64 now = now_ns();
    if (stopping || (now >= t_end && c_req + c_err >= MIN_ANSWERS)) break; // a slow server has more time, until it stalls
    if (warm && now >= t_meas) {
      warm = 0; c_req = c_err = c_in = c_out = c_stdout = c_stdin = c_stderr = c_connects = c_closes = c_noclose = c_eagain = c_early = 0;
      e_proto = e_status = e_size = e_closed = e_http = e_badrec = e_noteof = e_late = e_content = 0; memset(hist, 0, sizeof hist); hmax = hsum = hcnt = 0;
      for (int i = 0; i < o_conns; i++) conns[i].everserved = 0;
      pids_cpu(&st0, &sc0, &rss); self0 = self_us(); m0 = now_ns(); t_end = m0 + (u64)(o_secs * 1e9);
    }
    if (now - last_done > o_stall * 1e9) { stalled = 1; break; }
    if (o_rate > 0) while (idle_n && nextstart <= now) {
      idle_n--; Conn *c = &conns[idle[idle_n].c]; start_request(c, idle[idle_n].s, (u64)nextstart); nextstart += gap; if (c->connected) conn_flush(c);
    }
    if (retry_n) {
      int n = retry_n; retry_n = 0; int keep = 0; (void)keep;
      struct timespec ts = { 0, 200000 }; nanosleep(&ts, NULL);
      for (int i = 0; i < n; i++) {
        Conn *c = &conns[retry_q[i]]; if (c->fd >= 0 || !c->qn) continue;
        int r = conn_open(c); if (r < 0) { if (r == -2) { e_connect++; if (e_connect > 1000 && !c_req) die("connect %s: %s", o_addr, strerror(errno)); } retry_q[retry_n++] = c - conns; continue; }
        if (c->connected) conn_flush(c);
      }
    }
    long to = 100000000;
    if (o_rate > 0 && idle_n) { double d = nextstart - now; to = d < 0 ? 0 : d < to ? (long)d : to; }
    if (retry_n) to = 0;
    if (warm) { long d = (long)(t_meas - now); if (d < to) to = d; } else { long d = (long)(t_end - now); if (d < to) to = d; }
    if (to < 0) to = now < t_end ? 0 : 1000000;
    struct timespec ts = { to / 1000000000, to % 1000000000 };
    int n = epoll_pwait2(ep, ev, 256, &ts, NULL);
    if (n < 0) { if (errno == EINTR) continue; die("epoll: %s", strerror(errno)); }
    for (int i = 0; i < n; i++) on_event(ev[i].data.ptr, ev[i].events);
    if (!o_keep && now - lastsweep > 100000000ull) { lastsweep = now; for (int i = 0; i < o_conns; i++) { Conn *c = &conns[i]; if (c->waitclose && now > c->closedeadline) { c_noclose++; conn_drop(c, now, 1); next_on(c, 0, now); if (c->connected) conn_flush(c); } } }
    // newly opened connections of next_on() inside conn_drop() flush here
    if (!o_keep) for (int i = 0; i < n; i++) { Conn *c = ev[i].data.ptr; if (c->fd >= 0 && c->connected && c->qn && !(c->evmask & EPOLLOUT)) conn_flush(c); }
  }
  u64 m1 = now_ns();
  if (o_maxreq && o_keep) { // nothing may follow END_REQUEST on a connection with no request in flight
    usleep(50000);
    for (int i = 0; i < o_conns; i++) { int act = 0; for (int s = 0; s < o_inflight; s++) act |= conns[i].slots[s].active; if (!act && conns[i].fd >= 0) { ssize_t k; while ((k = read(conns[i].fd, rbuf, o_rbuf)) > 0) c_stray += k; } }
  }
  u64 st1, sc1; long rss1; pids_cpu(&st1, &sc1, &rss1); u64 self1 = self_us();
  if (stopping && last_done > m0) m1 = last_done;
  double sec = (m1 - m0) / 1e9; u64 outst = 0, oldest = 0; int served = 0;
  for (int i = 0; i < o_conns; i++) { served += conns[i].everserved; for (int s = 0; s < o_inflight; s++) if (conns[i].slots[s].active) { outst++; u64 a = m1 - conns[i].slots[s].t0; if (a > oldest) oldest = a; } }
  double rq = c_req ? (double)c_req : 1;
  printf("{");
  if (o_label) printf("\"label\":\"%s\",", o_label);
  printf("\"requests\":%llu,\"errors\":%llu,\"rps\":%.1f,\"in_MBps\":%.3f,\"out_MBps\":%.3f,\"stdout_MBps\":%.3f,\"stdin_MBps\":%.3f,", (unsigned long long)c_req, (unsigned long long)c_err, c_req / sec, c_in / sec / 1e6, c_out / sec / 1e6, c_stdout / sec / 1e6, c_stdin / sec / 1e6);
  printf("\"lat_us\":{\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f},", hcnt ? hsum / 1e3 / hcnt : 0, hq(.5), hq(.9), hq(.99), hq(.999), hmax / 1e3);
  printf("\"seconds\":%.3f,\"conns\":%d,\"inflight\":%d,\"keep\":\"%s\",\"param_bytes\":%zu,\"params\":%d,\"request_bytes\":%zu,", sec, o_conns, o_inflight, o_keep ? "on" : o_abrupt ? "abrupt" : "off", params.n, npv, tmpl[0].total);
  printf("\"conns_served\":%d,\"connects\":%llu,\"server_closes\":%llu,\"noclose\":%llu,\"connect_eagain\":%llu,\"early_end\":%llu,\"no_stdout_eof\":%llu,\"late_stderr_eof\":%llu,\"stray_bytes_after_end\":%llu,\"stderr_bytes\":%llu,\"outstanding\":%llu,\"oldest_outstanding_us\":%.0f,\"stalled\":%s,", served, (unsigned long long)c_connects, (unsigned long long)c_closes, (unsigned long long)c_noclose, (unsigned long long)c_eagain, (unsigned long long)c_early, (unsigned long long)e_noteof, (unsigned long long)e_late, (unsigned long long)c_stray, (unsigned long long)c_stderr, (unsigned long long)outst, oldest / 1e3, stalled ? "true" : "false");
  printf("\"err\":{\"protocol_status\":%llu,\"http_status\":%llu,\"size\":%llu,\"content\":%llu,\"closed_inflight\":%llu,\"no_header\":%llu,\"connect\":%llu,\"bad_record\":%llu},", (unsigned long long)e_proto, (unsigned long long)e_status, (unsigned long long)e_size, (unsigned long long)e_content, (unsigned long long)e_closed, (unsigned long long)e_http, (unsigned long long)e_connect, (unsigned long long)e_badrec);
  printf("\"self\":{\"cpu_us_per_req\":%.3f,\"cpu_pct\":%.1f}", (self1 - self0) / rq, (self1 - self0) / sec / 1e4);
  if (o_mpids) printf(",\"server\":{\"cpu_us_per_req\":%.3f,\"cpu_us_per_req_sched\":%.3f,\"cpu_pct\":%.1f,\"cpu_us\":%llu,\"rss_kb\":%ld}", (st1 - st0) / rq, (sc1 - sc0) / rq, (st1 - st0) / sec / 1e4, (unsigned long long)(st1 - st0), rss1);
  printf("}\n");
  return c_err || stalled ? 1 : 0;
}
