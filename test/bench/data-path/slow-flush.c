/*
 * A disk whose flush takes FLUSH_MS, by LD_PRELOAD: the call itself, and then a sleep. FLUSH_SLOTS=1: as a journal that
 * commits in groups, a flush ends with the first whole commit that began after it was asked for (one to two FLUSH_MS).
 * Not modelled: a queue that fills up, data that takes longer the more there is, writes that wait for a commit.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static long flush_ns;
static int has_slots;

/* When it is loaded: a session of sshd has another environment later. */
__attribute__((constructor)) static void read_environment(void)
{
	const char *text = getenv("FLUSH_MS");
	flush_ns = (text ? atol(text) : 0) * 1000000L;
	has_slots = getenv("FLUSH_SLOTS") != NULL;
}

static void pause_for_disk(void)
{
	long ns = flush_ns;
	struct timespec until;
	if (ns == 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	if (has_slots) {
		long into = until.tv_nsec % ns;
		ns += into == 0 ? 0 : ns - into;
	}
	until.tv_nsec += ns;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
		;
}

#define SLOW(name)                                                             \
	int name(int fd)                                                       \
	{                                                                      \
		int (*real)(int) = dlsym(RTLD_NEXT, #name);                    \
		int result = real(fd);                                         \
		pause_for_disk();                                              \
		return result;                                                 \
	}

SLOW(fsync)
SLOW(fdatasync)
