// The application on libfcgi: libfcgi_server ADDRESS PROCESSES. libfcgi serves one connection per process at a time.
#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void serve(int listener) {
  FCGX_Request request;
  FCGX_Init(); FCGX_InitRequest(&request, listener, 0);
  while (FCGX_Accept_r(&request) >= 0) {
    FCGX_PutS("Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n", request.out);
    FCGX_PutS("Hello, world!\n", request.out);
    FCGX_Finish_r(&request);
  }
}
int main(int argc, char **argv) {
  if (argc < 3) return 2;
  char name[128]; snprintf(name, sizeof name, "%s", argv[1]);
  if (name[0] != '/') memmove(name, strchr(name, ':'), strlen(strchr(name, ':')) + 1); // libfcgi wants ":9000"
  FCGX_Init();
  int listener = FCGX_OpenSocket(name, 1024); if (listener < 0) { perror("FCGX_OpenSocket"); return 1; }
  if (name[0] == '/') chmod(name, 0666);
  for (int i = 0; i < atoi(argv[2]); i++) if (fork() == 0) { prctl(PR_SET_PDEATHSIG, SIGKILL); serve(listener); _exit(0); }
  puts("ready"); fflush(stdout);
  while (wait(NULL) > 0) {}
  return 0;
}
