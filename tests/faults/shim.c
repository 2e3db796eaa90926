/* Counts what a process does to the files below one folder, and lets one of these steps fail, or kills it there.
 *
 * Loaded with LD_PRELOAD. A step is a call that changes what a disk holds: a write, a sync, a change of length, of a
 * name or of a folder, a file made. `faults_arm` says where and at which step; the counts lie in memory shared with
 * forked children, so that a parent can read them after a child was killed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, FAIL_ONCE, FULL, DEAD, KILL_BEFORE, KILL_TORN };
enum { WRITES, SYNCS, NAMES, REMOVES };

static _Atomic long *shared; /* steps so far; work acknowledged so far; bytes that were freed on a full disk */
static char below[PATH_MAX];
static size_t below_length;
static long chosen;
static int mode = -1;

__attribute__((constructor)) static void share(void) {
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void faults_arm(const char *folder, long step, int how) {
    atomic_store(&shared[0], 0);
    atomic_store(&shared[1], 0);
    atomic_store(&shared[2], 0);
    below_length = (size_t)snprintf(below, sizeof below, "%s", folder);
    chosen = step;
    mode = how;
}

void faults_acknowledge(long count) { atomic_fetch_add(&shared[1], count); }
long faults_steps(void) { return atomic_load(&shared[0]); }
long faults_acknowledged(void) { return atomic_load(&shared[1]); }

static int inside(int folder, const char *path) {
    char full[PATH_MAX + 64], link[64];
    ssize_t length = 0;
    if (mode < 0)
        return 0;
    if (path == NULL || path[0] != '/') {
        if (folder == AT_FDCWD) {
            if (getcwd(full, PATH_MAX) == NULL)
                return 0;
            length = (ssize_t)strlen(full);
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            length = readlink(link, full, PATH_MAX);
            if (length < 0)
                return 0;
        }
        full[length++] = '/';
    }
    snprintf(full + length, sizeof full - (size_t)length, "%s", path == NULL ? "" : path);
    return strncmp(full, below, below_length) == 0 && full[below_length] == '/';
}

/* What comes of the next step: 0 it happens, an error it fails with, or -1: half of it, then the end.
 *
 * A full disk refuses what needs more blocks than were freed since, and a new file where not one was.
 */
static int fate(int kind, long blocks) {
    long step = atomic_fetch_add(&shared[0], 1) + 1;
    int error = kind == SYNCS || kind == REMOVES ? EIO : ENOSPC;
    if (mode == COUNT || step < chosen)
        return 0;
    if (mode == KILL_BEFORE)
        kill(getpid(), SIGKILL);
    if (mode == DEAD)
        return EIO;
    if (mode == FULL) {
        if (blocks > 0 && atomic_load(&shared[2]) < blocks)
            return ENOSPC;
        if (kind != NAMES)
            atomic_fetch_sub(&shared[2], blocks);
        return 0;
    }
    if (step > chosen)
        return 0;
    return mode == KILL_TORN ? -1 : error;
}

static int full(void) { return mode == FULL && atomic_load(&shared[0]) >= chosen; }

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define STEP(kind, blocks, there, failed, happens)      \
    do {                                                \
        int after = (there) ? fate(kind, blocks) : 0;   \
        if (after > 0) {                                \
            errno = after;                              \
            return failed;                              \
        }                                               \
        __typeof__(happens) done = (happens);           \
        if (after < 0)                                  \
            kill(getpid(), SIGKILL);                    \
        return done;                                    \
    } while (0)

static long in_blocks(off64_t bytes) { return (long)((bytes + 4095) / 4096); }

/* How many blocks a file grows by where it becomes so long, or gives back. */
static long growth(int file, off64_t length) {
    struct stat64 facts;
    return fstat64(file, &facts) == 0 ? in_blocks(length) - in_blocks(facts.st_size) : 0;
}

/* The same of a write at a place, or behind what was written. */
static long written(int file, off64_t at, size_t length) {
    long more = growth(file, (at < 0 ? lseek64(file, 0, SEEK_CUR) : at) + (off64_t)length);
    return more > 0 ? more : 0;
}

static long removed(int folder, const char *path) {
    struct stat64 facts;
    int found = fstatat64(folder, path, &facts, AT_SYMLINK_NOFOLLOW) == 0 && facts.st_nlink == 1;
    return found ? -in_blocks(facts.st_size) : 0;
}

/* A write that a kill tears, and the first that meets a full disk, bring half of their bytes. */
#define WRITE(at, all, half)                                                             \
    do {                                                                                 \
        int was_full = full();                                                           \
        int after = inside(file, NULL) ? fate(WRITES, written(file, at, length)) : 0;    \
        if (after < 0 || (after > 0 && mode == FULL && !was_full && length > 1)) {       \
            ssize_t done = (half);                                                       \
            if (after < 0)                                                               \
                kill(getpid(), SIGKILL);                                                 \
            return done;                                                                 \
        }                                                                                \
        if (after > 0) {                                                                 \
            errno = after;                                                               \
            return -1;                                                                   \
        }                                                                                \
        return (all);                                                                    \
    } while (0)

ssize_t write(int file, const void *data, size_t length) {
    REAL(write);
    WRITE(-1, real(file, data, length), real(file, data, length / 2));
}

ssize_t pwrite(int file, const void *data, size_t length, off_t at) {
    REAL(pwrite);
    WRITE(at, real(file, data, length, at), real(file, data, length / 2, at));
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t at) {
    REAL(pwrite64);
    WRITE(at, real(file, data, length, at), real(file, data, length / 2, at));
}

ssize_t writev(int file, const struct iovec *parts, int length) {
    REAL(writev);
    WRITE(-1, real(file, parts, length), real(file, parts, length / 2));
}

ssize_t pwritev(int file, const struct iovec *parts, int length, off_t at) {
    REAL(pwritev);
    WRITE(at, real(file, parts, length, at), real(file, parts, length / 2, at));
}

ssize_t sendfile(int file, int from, off_t *at, size_t length) {
    ssize_t (*real)(int, int, off_t *, size_t) = dlsym(RTLD_NEXT, "sendfile");
    WRITE(-1, real(file, from, at, length), real(file, from, at, length / 2));
}

ssize_t copy_file_range(int from, off64_t *from_at, int file, off64_t *at, size_t length, unsigned flags) {
    REAL(copy_file_range);
    WRITE(-1, real(from, from_at, file, at, length, flags),
          real(from, from_at, file, at, length / 2, flags));
}

int ftruncate(int file, off_t length) {
    REAL(ftruncate);
    long blocks = growth(file, length);
    STEP(blocks > 0 ? WRITES : REMOVES, blocks, inside(file, NULL), -1, real(file, length));
}

int ftruncate64(int file, off64_t length) {
    REAL(ftruncate64);
    long blocks = growth(file, length);
    STEP(blocks > 0 ? WRITES : REMOVES, blocks, inside(file, NULL), -1, real(file, length));
}

int fallocate(int file, int how, off_t at, off_t length) {
    REAL(fallocate);
    STEP(WRITES, written(file, at, (size_t)length), inside(file, NULL), -1, real(file, how, at, length));
}

int posix_fallocate(int file, off_t at, off_t length) {
    REAL(posix_fallocate);
    STEP(WRITES, written(file, at, (size_t)length), inside(file, NULL), ENOSPC, real(file, at, length));
}

int fsync(int file) {
    REAL(fsync);
    STEP(SYNCS, 0, inside(file, NULL), -1, real(file));
}

int fdatasync(int file) {
    REAL(fdatasync);
    STEP(SYNCS, 0, inside(file, NULL), -1, real(file));
}

int rename(const char *from, const char *to) {
    REAL(rename);
    STEP(NAMES, 0, inside(AT_FDCWD, to), -1, real(from, to));
}

int renameat(int from_folder, const char *from, int folder, const char *to) {
    REAL(renameat);
    STEP(NAMES, 0, inside(folder, to), -1, real(from_folder, from, folder, to));
}

int renameat2(int from_folder, const char *from, int folder, const char *to, unsigned flags) {
    REAL(renameat2);
    STEP(NAMES, 0, inside(folder, to), -1, real(from_folder, from, folder, to, flags));
}

int link(const char *from, const char *to) {
    REAL(link);
    STEP(NAMES, 1, inside(AT_FDCWD, to), -1, real(from, to));
}

int linkat(int from_folder, const char *from, int folder, const char *to, int flags) {
    REAL(linkat);
    STEP(NAMES, 1, inside(folder, to), -1, real(from_folder, from, folder, to, flags));
}

int symlink(const char *from, const char *to) {
    REAL(symlink);
    STEP(NAMES, 1, inside(AT_FDCWD, to), -1, real(from, to));
}

int mkdir(const char *path, mode_t rights) {
    REAL(mkdir);
    STEP(NAMES, 1, inside(AT_FDCWD, path), -1, real(path, rights));
}

int mkdirat(int folder, const char *path, mode_t rights) {
    REAL(mkdirat);
    STEP(NAMES, 1, inside(folder, path), -1, real(folder, path, rights));
}

int unlink(const char *path) {
    REAL(unlink);
    STEP(REMOVES, removed(AT_FDCWD, path), inside(AT_FDCWD, path), -1, real(path));
}

int unlinkat(int folder, const char *path, int flags) {
    REAL(unlinkat);
    STEP(REMOVES, removed(folder, path), inside(folder, path), -1, real(folder, path, flags));
}

int rmdir(const char *path) {
    REAL(rmdir);
    STEP(REMOVES, 0, inside(AT_FDCWD, path), -1, real(path));
}

/* Opening counts where it makes a file, or empties one. */
static int makes(int folder, const char *path, int flags) {
    struct stat64 facts;
    if (flags & O_TRUNC)
        return 1;
    return flags & O_CREAT && fstatat64(folder, path, &facts, 0) != 0;
}

#define RIGHTS                          \
    mode_t rights = 0;                  \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest;                   \
        va_start(rest, flags);          \
        rights = va_arg(rest, mode_t);  \
        va_end(rest);                   \
    }

int open(const char *path, int flags, ...) {
    REAL(open);
    RIGHTS
    STEP(NAMES, 1, makes(AT_FDCWD, path, flags) && inside(AT_FDCWD, path), -1, real(path, flags, rights));
}

int open64(const char *path, int flags, ...) {
    REAL(open64);
    RIGHTS
    STEP(NAMES, 1, makes(AT_FDCWD, path, flags) && inside(AT_FDCWD, path), -1, real(path, flags, rights));
}

int openat(int folder, const char *path, int flags, ...) {
    REAL(openat);
    RIGHTS
    STEP(NAMES, 1, makes(folder, path, flags) && inside(folder, path), -1, real(folder, path, flags, rights));
}

int openat64(int folder, const char *path, int flags, ...) {
    REAL(openat64);
    RIGHTS
    STEP(NAMES, 1, makes(folder, path, flags) && inside(folder, path), -1, real(folder, path, flags, rights));
}

/* A full disk says that it is. */
int statvfs(const char *path, struct statvfs *facts) {
    REAL(statvfs);
    int done = real(path, facts);
    if (done == 0 && inside(AT_FDCWD, path) && full())
        facts->f_bavail = facts->f_bfree = 0;
    return done;
}

int statvfs64(const char *path, struct statvfs64 *facts) {
    REAL(statvfs64);
    int done = real(path, facts);
    if (done == 0 && inside(AT_FDCWD, path) && full())
        facts->f_bavail = facts->f_bfree = 0;
    return done;
}
