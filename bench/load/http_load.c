// An HTTP/1.1 load generator, the sibling of fastcgi_load: one thread, epoll, kept connections, one GET at a time on each.
// Every answer is checked; JSON on stdout.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common.h"

enum { HEAD, SIZED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };
#define HEAD_CAP 8192
#define MIN_ANSWERS 10
typedef struct {
  int fd, state, close, wrong, status, line, head_length;
  long left, body;      // bytes of the part under way, bytes of the body so far
  size_t written; u64 started; char head[HEAD_CAP];
} Conn;

static struct sockaddr_storage address; static socklen_t address_length; static int ep;
static char request[4096]; static size_t request_length; static long expected_length = -1;
static u64 requests, errors, connects, closed_early;

static void watch(Conn *c, u32 events, int operation) {
  struct epoll_event e = { .events = events, .data.ptr = c };
  if (epoll_ctl(ep, operation, c->fd, &e)) die("epoll_ctl: %s", strerror(errno));
}
static void send_rest(Conn *c) {
  ssize_t n = send(c->fd, request + c->written, request_length - c->written, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n > 0) c->written += n; // what fails is seen when reading
  if (c->written < request_length) watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}
static void start(Conn *c) {
  c->state = HEAD; c->head_length = 0; c->body = 0; c->wrong = 0; c->close = 0; c->written = 0; c->started = now_ns();
  send_rest(c);
}
static void open_connection(Conn *c) {
  c->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // Blocking for the time of connecting: on one machine it is over at once.
  if (c->fd < 0 || connect(c->fd, (void *)&address, address_length)) die("connect: %s", strerror(errno));
  int one = 1; if (address.ss_family == AF_INET) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  watch(c, EPOLLIN, EPOLL_CTL_ADD); connects++; start(c);
}
static void reopen(Conn *c) { close(c->fd); open_connection(c); }

static void finish(Conn *c) {
  if (c->status != 200 || c->wrong || (expected_length >= 0 && c->body != expected_length)) {
    if (errors++ == 0) fprintf(stderr, "http_load: status %d, %ld bytes, %s\n", c->status, c->body, c->wrong ? "other than expected" : "as expected");
  } else { requests++; hadd(now_ns() - c->started); }
}
static long header_value(const char *head, const char *name, const char **value) {
  size_t n = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
    if (!strncasecmp(line + 2, name, n) && line[2 + n] == ':') { *value = line + 3 + n; while (**value == ' ') ++*value; return 1; }
  }
  return 0;
}
static void start_body(Conn *c) {
  const char *value; c->status = atoi(c->head + 9);
  c->close = header_value(c->head, "connection", &value) && !strncasecmp(value, "close", 5);
  if (header_value(c->head, "transfer-encoding", &value)) { c->state = CHUNK_SIZE; c->line = 0; }
  else if (header_value(c->head, "content-length", &value)) { c->state = SIZED; c->left = atol(value); }
  else { c->state = SIZED; c->left = 0; c->wrong = 1; }
}
// Takes bytes of one response; returns 1 at its end.
static int take(Conn *c, const char *p, long n) {
  while (n > 0 || (c->state == SIZED && c->left == 0)) {
    if (c->state == HEAD) {
      long k = n < HEAD_CAP - 1 - c->head_length ? n : HEAD_CAP - 1 - c->head_length;
      int before = c->head_length; memcpy(c->head + before, p, k); c->head[before + k] = 0;
      char *end = strstr(c->head + (before > 3 ? before - 3 : 0), "\r\n\r\n");
      if (!end) { if (k < n) die("a header block is too long"); c->head_length += k; return 0; }
      end[2] = 0; k = end + 4 - (c->head + before); p += k; n -= k; start_body(c);
    } else if (c->state == SIZED || c->state == CHUNK_DATA) {
      long k = n < c->left ? n : c->left;
      if (!body_is(c->body, p, k)) c->wrong = 1;
      c->body += k; c->left -= k; p += k; n -= k;
      if (c->left == 0) { if (c->state == SIZED) return 1; c->state = CHUNK_END; c->left = 2; }
    } else if (c->state == CHUNK_END) {
      long k = n < c->left ? n : c->left; c->left -= k; p += k; n -= k;
      if (c->left == 0) { c->state = CHUNK_SIZE; c->line = 0; }
    } else { // a line: the size of a chunk, or of the trailer
      char b = *p++; n--;
      if (b != '\n') { if (b != '\r' && c->line < 32) c->head[c->line++] = b; continue; }
      c->head[c->line] = 0;
      if (c->state == TRAILER) { if (c->line == 0) return 1; c->line = 0; continue; }
      c->left = strtol(c->head, NULL, 16); c->line = 0; c->state = c->left == 0 ? TRAILER : CHUNK_DATA;
    }
  }
  return 0;
}
static char buffer[262144];
static void on_event(Conn *c, u32 events) {
  if (events & EPOLLOUT) { watch(c, EPOLLIN, EPOLL_CTL_MOD); send_rest(c); }
  if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
  ssize_t n = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) { // A server may close a kept connection between two requests; ours is then sent again.
    if (c->state == HEAD && c->head_length == 0) closed_early++; else errors++;
    reopen(c); return;
  }
  if (!take(c, buffer, n)) return;
  finish(c);
  if (c->close) reopen(c); else start(c);
}
static void resolve(const char *text) {
  if (text[0] == '/') { struct sockaddr_un *u = (void *)&address; u->sun_family = AF_UNIX; strncpy(u->sun_path, text, sizeof u->sun_path - 1); address_length = sizeof *u; return; }
  char host[64]; snprintf(host, sizeof host, "%s", text); char *colon = strrchr(host, ':'); if (!colon) die("-a HOST:PORT or /path"); *colon = 0;
  struct sockaddr_in *in = (void *)&address; in->sin_family = AF_INET; in->sin_port = htons(atoi(colon + 1)); inet_pton(AF_INET, host, &in->sin_addr); address_length = sizeof *in;
}
int main(int argc, char **argv) {
  const char *target = NULL, *uri = "/"; int connections = 1, o; double seconds = 5, warm = 0.5;
  while ((o = getopt(argc, argv, "a:c:d:w:u:y:C:m:h")) != -1) switch (o) {
    case 'a': target = optarg; break; case 'c': connections = atoi(optarg); break; case 'd': seconds = atof(optarg); break;
    case 'w': warm = atof(optarg); break; case 'u': uri = optarg; break; case 'y': expected_length = atol(optarg); break;
    case 'C': expect_body(optarg); break; case 'm': o_mpids = optarg; break;
    default:
      fprintf(stderr, "http_load -a HOST:PORT|/path [-c connections] [-d measured seconds] [-w seconds of warm-up] [-u URI] [-y bytes of the body]\n"
                      "  [-C BODY: what it must be: a text, @FILE, or \"alphabet\"] [-m PID[,PID..]: processes under test]\n");
      return 2;
  }
  if (!target || connections < 1) die("-a is needed");
  signal(SIGPIPE, SIG_IGN); resolve(target); ep = epoll_create1(EPOLL_CLOEXEC);
  // What a browser sends, so that the params are those of fastcgi_load.
  request_length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.9\r\n"
    "Connection: keep-alive\r\n\r\n", uri);
  Conn *conns = calloc(connections, sizeof *conns);
  for (int i = 0; i < connections; i++) open_connection(&conns[i]);
  u64 begin = now_ns(), measured = begin + (u64)(warm * 1e9), end = measured + (u64)(seconds * 1e9), now, last = begin, seen = 0;
  u64 stat0 = 0, sched0 = 0, self0 = 0; long rss = 0; int warming = 1, stalled = 0; struct epoll_event events[256];
  while ((now = now_ns()) < end || requests + errors < MIN_ANSWERS) { // a slow server has more time, until it stalls
    if (warming && now >= measured) {
      warming = 0; requests = errors = connects = closed_early = 0; memset(hist, 0, sizeof hist); hmax = hsum = hcnt = 0; seen = 0; last = now;
      pids_cpu(&stat0, &sched0, &rss); self0 = self_us(); measured = now_ns(); end = measured + (u64)(seconds * 1e9);
    }
    if (requests + errors != seen) { seen = requests + errors; last = now; } else if (now - last > 5000000000ull) { stalled = 1; break; }
    int n = epoll_wait(ep, events, 256, 20);
    for (int i = 0; i < n; i++) on_event(events[i].data.ptr, events[i].events);
  }
  u64 stopped = now_ns(), stat1, sched1; long rss1; pids_cpu(&stat1, &sched1, &rss1);
  double took = (stopped - measured) / 1e9, per = requests ? requests : 1;
  printf("{\"requests\":%llu,\"errors\":%llu,\"rps\":%.1f,\"lat_us\":{\"mean\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f},\"seconds\":%.3f,\"connects\":%llu,\"closed_early\":%llu,\"stalled\":%s,"
         "\"self\":{\"cpu_us_per_req\":%.3f}", (unsigned long long)requests, (unsigned long long)errors, requests / took, hcnt ? hsum / 1e3 / hcnt : 0, hq(.5), hq(.99), hmax / 1e3, took,
         (unsigned long long)connects, (unsigned long long)closed_early, stalled ? "true" : "false", (self_us() - self0) / per);
  if (o_mpids) printf(",\"server\":{\"cpu_us_per_req\":%.3f,\"cpu_us_per_req_sched\":%.3f,\"cpu_pct\":%.1f,\"rss_kb\":%ld}", (stat1 - stat0) / per, (sched1 - sched0) / per, (stat1 - stat0) / took / 1e4, rss1);
  printf("}\n");
  return errors || stalled ? 1 : 0;
}
