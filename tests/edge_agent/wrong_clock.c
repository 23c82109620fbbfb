/* Preloaded into a process: its wall clock is wrong by the milliseconds in the file $WRONG_CLOCK, and its kernel says
 * whether the clock is synchronised. The file holds two numbers, "OFFSET SYNCED"; it may change while the process runs.
 * Time since boot and monotonic time stay right, as they do on a node.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

static void read_fault(long long *offset_ms, int *synced) {
    *offset_ms = 0;
    *synced = 1;
    const char *path = getenv("WRONG_CLOCK");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file == NULL) return;
    if (fscanf(file, "%lld %d", offset_ms, synced) < 1) *offset_ms = 0;
    fclose(file);
}

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, at);
    if (id == CLOCK_REALTIME && result == 0) {
        long long offset_ms;
        int synced;
        read_fault(&offset_ms, &synced);
        long long ns = at->tv_nsec + (offset_ms % 1000) * 1000000LL;
        at->tv_sec += offset_ms / 1000 + (ns < 0 ? -1 : ns / 1000000000LL);
        at->tv_nsec = ns < 0 ? ns + 1000000000LL : ns % 1000000000LL;
    }
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return result;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at != NULL) *at = now.tv_sec;
    return now.tv_sec;
}

int adjtimex(struct timex *state) {
    long long offset_ms;
    int synced;
    read_fault(&offset_ms, &synced);
    return synced ? TIME_OK : TIME_ERROR;
}
