/*
 * deadline-exec COMMAND ARG...
 *
 * Reads a deadline from standard input, a line of digits: milliseconds of boot time (/proc/uptime). Then becomes
 * COMMAND, an absolute path, which finds the rest of the input, and which the kernel ends by SIGALRM at the deadline.
 *
 * That holds also when this process, or the one that writes to it, is frozen anywhere on the way: a stopped process
 * takes the signal before it runs another instruction. No check of the clock by a program of ours can promise that.
 *
 * Exits with 124, as timeout(1) does, when the deadline is over before COMMAND begins; 125 when it was used wrongly;
 * 127 when COMMAND cannot be run.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

enum { TOO_LATE = 124, MISUSED = 125, NOT_RUN = 127 };

/* The timer counts from when it is set, and that may be later than when its time was reckoned, by so much at most. */
static const long long tolerated_ms = 20;

/*
 * As os.uptime() of Node has it, to 10 ms: in containers, where /proc/uptime may tell the time of the container
 * (lxcfs), it is not CLOCK_BOOTTIME. Returns -1 when it cannot be read.
 */
static long long boot_time_ms(void) {
  double seconds = -1;
  FILE *file = fopen("/proc/uptime", "re");
  if (file == NULL) return -1;
  if (fscanf(file, "%lf", &seconds) != 1) seconds = -1;
  fclose(file);
  return seconds < 0 ? -1 : (long long)(seconds * 1000);
}

/* Byte by byte: what follows the line is for COMMAND. Returns -1 when it is no line of at most 15 digits. */
static long long read_deadline_ms(void) {
  long long deadline = 0;
  for (int digits = 0; digits <= 15; digits++) {
    char byte;
    if (read(STDIN_FILENO, &byte, 1) != 1) return -1;
    if (byte == '\n') return digits > 0 ? deadline : -1;
    if (byte < '0' || byte > '9') return -1;
    deadline = deadline * 10 + (byte - '0');
  }
  return -1;
}

/* Whether the kernel ends this process at the deadline, tolerated_ms later at most. */
static int set_alarm(long long deadline_ms) {
  const long long now_ms = boot_time_ms();
  const long long left_ms = deadline_ms - now_ms;
  if (now_ms < 0 || left_ms <= 0) return 0;
  const struct itimerval once = {.it_value = {left_ms / 1000, left_ms % 1000 * 1000}};
  if (setitimer(ITIMER_REAL, &once, NULL) != 0) return 0;
  const long long then_ms = boot_time_ms();
  return then_ms >= now_ms && then_ms - now_ms <= tolerated_ms;
}

int main(int argc, char **argv) {
  if (argc < 2) return MISUSED;
  sigset_t alarm_signal;
  sigemptyset(&alarm_signal);
  sigaddset(&alarm_signal, SIGALRM);
  signal(SIGALRM, SIG_DFL);
  sigprocmask(SIG_UNBLOCK, &alarm_signal, NULL);

  const long long deadline_ms = read_deadline_ms();
  if (deadline_ms < 0) return MISUSED;
  if (!set_alarm(deadline_ms - tolerated_ms)) return TOO_LATE;
  execv(argv[1], argv + 1);
  perror(argv[1]);
  return NOT_RUN;
}
