/*
 * A disk whose flush takes FLUSH_MS, by LD_PRELOAD: the call itself, and then a sleep. FLUSH_SLOTS=1: as a journal that
 * commits in groups, a flush ends with the first whole commit that began after it was asked for (one to two FLUSH_MS).
 * STALL_MS: a large write into the page cache takes that long each 64 MiB, as when the kernel throttles who dirties too much.
 * Not modelled: a queue that fills up, data that takes longer the more there is, writes that wait for a commit.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long flush_ns;
static int has_slots;
static long stall_ns;

/* When it is loaded: a session of sshd has another environment later. */
__attribute__((constructor)) static void read_environment(void)
{
	const char *text = getenv("FLUSH_MS");
	flush_ns = (text ? atol(text) : 0) * 1000000L;
	text = getenv("STALL_MS");
	stall_ns = (text ? atol(text) : 0) * 1000000L;
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

static void throttle(ssize_t written)
{
	static long since;
	struct timespec stall = { stall_ns / 1000000000L, stall_ns % 1000000000L };
	if (stall_ns == 0 || written < 32 * 1024)
		return;
	if (__atomic_add_fetch(&since, written, __ATOMIC_RELAXED) < 64L << 20)
		return;
	__atomic_store_n(&since, 0, __ATOMIC_RELAXED);
	nanosleep(&stall, NULL);
}

#define THROTTLED(name, type, count)                                           \
	ssize_t name(int fd, type data, count n, off_t at)                     \
	{                                                                      \
		ssize_t (*real)(int, type, count, off_t) = dlsym(RTLD_NEXT, #name); \
		ssize_t result = real(fd, data, n, at);                        \
		throttle(result);                                              \
		return result;                                                 \
	}

THROTTLED(pwrite, const void *, size_t)
THROTTLED(pwrite64, const void *, size_t)
THROTTLED(pwritev, const struct iovec *, int)
THROTTLED(pwritev64, const struct iovec *, int)
