// The application of README.md on libfcgi. libfcgi ADDRESS (:port or /path) WORKERS
#include <fcgiapp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_WORKERS 64

static char piece[64 * 1024];
static pid_t workers[MAX_WORKERS];
static int worker_count;

static void header(FCGX_Stream *out, const char *type) { FCGX_FPrintF(out, "Content-Type: %s\r\n\r\n", type); }

static void params(FCGX_Request *r) {
  header(r->out, "text/plain");
  for (char **pair = r->envp; *pair != NULL; pair++) FCGX_PutStr(*pair, strlen(*pair) + 1, r->out);
}

static void echo(FCGX_Request *r) {
  header(r->out, "application/octet-stream");
  int n;
  while ((n = FCGX_GetStr(piece, sizeof piece, r->in)) > 0) {
    if (FCGX_PutStr(piece, n, r->out) < 0) return;
  }
}

static void collect(FCGX_Request *r) {
  char *body = NULL;
  size_t length = 0;
  int n;
  do {
    body = realloc(body, length + sizeof piece);
    n = FCGX_GetStr(body + length, sizeof piece, r->in);
    length += n;
  } while (n > 0);
  header(r->out, "application/octet-stream");
  FCGX_PutStr(body, length, r->out);
  free(body);
}

static void endless(FCGX_Request *r) {
  header(r->out, "application/octet-stream");
  while (FCGX_PutStr(piece, sizeof piece, r->out) >= 0) {
  }
}

static void drip(FCGX_Request *r) {
  header(r->out, "text/plain");
  for (int i = 0; FCGX_FPrintF(r->out, "piece %d\n", i) >= 0 && FCGX_FFlush(r->out) == 0; i++) usleep(20000);
}

static void status(FCGX_Request *r) {
  const char *code = FCGX_GetParam("QUERY_STRING", r->envp);
  FCGX_FPrintF(r->out, "Status: %s\r\nContent-Type: text/plain\r\n\r\nstatus %s\n", code, code);
}

static void answer(FCGX_Request *r, const char *path) {
  // It holds for all later requests otherwise.
  FCGX_SetExitStatus(0, r->out);
  if (strcmp(path, "/params") == 0) params(r);
  else if (strcmp(path, "/echo") == 0) echo(r);
  else if (strcmp(path, "/collect") == 0) collect(r);
  else if (strcmp(path, "/endless") == 0) endless(r);
  else if (strcmp(path, "/drip") == 0) drip(r);
  else if (strcmp(path, "/status") == 0) status(r);
  else if (strcmp(path, "/redirect") == 0) FCGX_PutS("Location: http://elsewhere.test/?x=1\r\n\r\n", r->out);
  else if (strcmp(path, "/headerless") == 0) FCGX_PutS("no header at all\n", r->out);
  else {
    header(r->out, "text/plain");
    if (strcmp(path, "/die") == 0) {
      FCGX_PutS("partial\n", r->out);
      FCGX_FFlush(r->out);
      while (access(FCGX_GetParam("QUERY_STRING", r->envp), F_OK) != 0) usleep(10000);
      kill(getpid(), SIGKILL);
    }
    if (strcmp(path, "/stderr") == 0) FCGX_PutS("a message for the log\n", r->err);
    if (strcmp(path, "/exit") == 0) FCGX_SetExitStatus(3, r->out);
    FCGX_PutS("hello from libfcgi\n", r->out);
  }
}

static void serve(int listener) {
  FCGX_Request r;
  FCGX_InitRequest(&r, listener, 0);
  while (FCGX_Accept_r(&r) >= 0) {
    char *path = strdup(FCGX_GetParam("REQUEST_URI", r.envp));
    path[strcspn(path, "?")] = '\0';
    answer(&r, path);
    free(path);
    FCGX_Finish_r(&r);
  }
}

static void stop(int signal_number) {
  (void)signal_number;
  for (int i = 0; i < worker_count; i++) kill(workers[i], SIGKILL);
  _exit(0);
}

static void start_worker(int i, int listener) {
  workers[i] = fork();
  if (workers[i] != 0) return;
  signal(SIGTERM, SIG_DFL);
  serve(listener);
  _exit(0);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  FCGX_Init();
  signal(SIGPIPE, SIG_IGN);
  int listener = FCGX_OpenSocket(argv[1], 128);
  if (listener < 0) return 1;
  signal(SIGTERM, stop);
  int wanted = atoi(argv[2]);
  for (int i = 0; i < wanted && i < MAX_WORKERS; i++) {
    start_worker(i, listener);
    worker_count = i + 1;
  }
  for (;;) {
    pid_t dead = wait(NULL);
    for (int i = 0; i < worker_count; i++) {
      if (workers[i] == dead) start_worker(i, listener);
    }
  }
}
