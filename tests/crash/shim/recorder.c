/* Records what a process asks of the file system, and makes it fail on request.
 *
 * Preloaded (LD_PRELOAD) into a process under test. Every call that changes a file below one folder, or waits until
 * the device has it, is carried out and appended to a log together with its bytes, in the order in which the calls
 * took effect. What the process writes to its standard output goes into the same log: that is how it says what it has
 * acknowledged, in order with the writes. The kernel is called directly, so no other library function is in between.
 *
 * Environment:
 *   SORI_CRASH_FOLDER  the folder, absolute and without symbolic links
 *   SORI_CRASH_LOG     the log; appended to
 *   SORI_CRASH_FAIL    optional, "N ERRNO once|always [sync]": the N-th failable call below the folder (from 1) fails
 *                      with ERRNO, and with "always" each one after it; then the N-th, if it is a write, still
 *                      takes half of its bytes, as a disk does that fills up. Failable: what needs space; with
 *                      "sync" also waiting for the device.
 *
 * What it cannot see makes the process stop with a message: a shared writable mapping of a file below the folder,
 * symbolic links, unnamed files. What bypasses the C library (raw system calls, io_uring) is noticed by whoever reads
 * the log: replaying it must give the folder as it is.
 *
 * A record, integers in the byte order of the machine:
 *   u8 kind | u8 flag | u16 zero | u32 first_len | u32 second_len | u64 inode | u64 number | first | second
 * `first` is a path relative to the folder, or the text of a mark; `second` is the other path or the data.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
  MARK = 1,   /* first: bytes written to standard output */
  CREATE,     /* first: path of a new, empty file; inode */
  WRITE,      /* first: path; inode; number: offset; second: data */
  TRUNCATE,   /* first: path; inode; number: new length */
  MAKE_DIR,   /* first: path; inode */
  RENAME,     /* first: old path; second: new path */
  LINK,       /* first: old path; second: new path; inode */
  REMOVE,     /* first: path of a file or an empty folder */
  SYNC_BEGIN, /* first: path; inode; flag: 1 data only, 2 whole file system */
  SYNC_END,   /* as SYNC_BEGIN, the wait is over; flag + 4 if it failed */
  FAULT,      /* number: errno; this call was made to fail */
};

enum { DATA_ONLY = 1, WHOLE = 2, FAILED = 4 };
enum need { SPACE, DEVICE };

struct __attribute__((packed)) head {
  uint8_t kind, flag;
  uint16_t zero;
  uint32_t first_len, second_len;
  uint64_t inode, number;
};

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static size_t folder_len;
static int log_fd = -1;
static long fail_at, fail_calls;
static int fail_errno, fail_always, fail_sync;

static void stop(const char *why, const char *what) {
  dprintf(2, "recorder: %s: %s\n", why, what);
  abort();
}

__attribute__((constructor)) static void start(void) {
  const char *root = getenv("SORI_CRASH_FOLDER"), *log = getenv("SORI_CRASH_LOG"), *fail = getenv("SORI_CRASH_FAIL");
  if (!root || !log) return;
  folder_len = strlen(root);
  if (folder_len == 0 || folder_len >= sizeof folder) stop("unusable folder", root);
  memcpy(folder, root, folder_len + 1);
  log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) stop("cannot open the log", log);
  char how[8] = "", sync[8] = "";
  if (fail && sscanf(fail, "%ld %d %7s %7s", &fail_at, &fail_errno, how, sync) < 3) stop("cannot read", fail);
  fail_always = strcmp(how, "always") == 0;
  fail_sync = strcmp(sync, "sync") == 0;
}

/* The part of `path` below the folder ("" is the folder itself), or NULL. */
static const char *below(const char *path) {
  if (log_fd < 0 || strncmp(path, folder, folder_len) != 0) return NULL;
  if (path[folder_len] == 0) return path + folder_len;
  return path[folder_len] == '/' ? path + folder_len + 1 : NULL;
}

static void append(enum kind kind, int flag, uint64_t inode, uint64_t number, const char *first, size_t first_len,
                   const void *second, size_t second_len) {
  struct head head = {kind, flag, 0, first_len, second_len, inode, number};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)first, first_len}, {(void *)second, second_len}};
  size_t whole = sizeof head + first_len + second_len;
  if (syscall(SYS_writev, log_fd, parts, 3) != (long)whole) stop("cannot write the log", strerror(errno));
}

static void note(enum kind kind, int flag, uint64_t inode, uint64_t number, const char *path) {
  append(kind, flag, inode, number, path, strlen(path), NULL, 0);
}

/* True if this call is to fail; then errno is set. Call with `order` held. */
static int fails(enum need need) {
  if (fail_at == 0 || (need == DEVICE && !fail_sync)) return 0;
  fail_calls++;
  if (fail_calls != fail_at && !(fail_always && fail_calls > fail_at)) return 0;
  note(FAULT, 0, 0, fail_errno, "");
  errno = fail_errno;
  return 1;
}

/* The relative path of an open file below the folder, in `buffer`, and its inode; NULL if it lies elsewhere. */
static const char *known(int fd, char *buffer, uint64_t *inode) {
  if (log_fd < 0) return NULL;
  char link[40];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long len = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, (size_t)PATH_MAX - 1);
  if (len <= 0) return NULL;
  buffer[len] = 0;
  const char *path = below(buffer);
  struct stat stat;
  if (!path || fstat(fd, &stat) != 0) return NULL;
  *inode = stat.st_ino;
  return path;
}

/* The relative path of a name below the folder, its parent freed of symbolic links; NULL if it lies elsewhere. */
static const char *resolve(int dir, const char *path, char *buffer) {
  char parent[PATH_MAX], given[PATH_MAX];
  if (log_fd < 0 || strlen(path) >= sizeof given - 64) return NULL;
  if (path[0] == '/' || dir == AT_FDCWD) snprintf(given, sizeof given, "%s", path);
  else snprintf(given, sizeof given, "/proc/self/fd/%d/%s", dir, path);
  size_t len = strlen(given);
  while (len > 1 && given[len - 1] == '/') given[--len] = 0;
  char *slash = strrchr(given, '/');
  const char *name = slash ? slash + 1 : given;
  if (slash) *slash = 0;
  if (!realpath(!slash ? "." : *given ? given : "/", parent)) return NULL;
  int written = snprintf(buffer, PATH_MAX, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name);
  return written < PATH_MAX ? below(buffer) : NULL;
}

static uint64_t inode_of(int dir, const char *path) {
  struct stat stat;
  return fstatat(dir, path, &stat, AT_SYMLINK_NOFOLLOW) == 0 ? stat.st_ino : 0;
}

#define LOCK() int kept = pthread_mutex_lock(&order)
#define UNLOCK() (kept = errno, pthread_mutex_unlock(&order), errno = kept)

/* Opening */

static int open_file(int dir, const char *path, int flags, mode_t mode) {
  if (log_fd < 0 || !(flags & (O_CREAT | O_TRUNC | O_TMPFILE))) return syscall(SYS_openat, dir, path, flags, mode);
  char buffer[PATH_MAX], opened[PATH_MAX];
  LOCK();
  const char *name = resolve(dir, path, buffer);
  int is_new = name && inode_of(dir, path) == 0;
  if (name && (flags & O_TMPFILE) == O_TMPFILE) stop("unnamed file", path);
  if (is_new && (flags & O_CREAT) && fails(SPACE)) return UNLOCK(), -1;
  int fd = syscall(SYS_openat, dir, path, flags, mode);
  uint64_t inode;
  const char *found = fd < 0 ? NULL : known(fd, opened, &inode);
  if (found && (!name || strcmp(found, name) != 0)) stop("a file below the folder opened through a link", path);
  if (found && is_new) note(CREATE, 0, inode, 0, found);
  else if (found && (flags & O_TRUNC)) note(TRUNCATE, 0, inode, 0, found);
  UNLOCK();
  return fd;
}

#define MODE(last)                                                        \
  mode_t mode = 0;                                                        \
  if (flags & (O_CREAT | O_TMPFILE)) {                                    \
    va_list list;                                                         \
    va_start(list, last);                                                 \
    mode = va_arg(list, mode_t);                                          \
    va_end(list);                                                         \
  }

int open(const char *path, int flags, ...) { MODE(flags) return open_file(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_file(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags) return open_file(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags) return open_file(dir, path, flags, mode); }
int creat(const char *path, mode_t mode) { return open_file(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

/* Writing */

/* `offset` -1 stands for the file's own position. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t offset) {
  char buffer[PATH_MAX], *copy;
  uint64_t inode;
  size_t len = 0, at = 0;
  LOCK();
  const char *path = known(fd, buffer, &inode);
  int is_mark = fd == 1 && !path && log_fd >= 0;
  if (!path && !is_mark) {
    UNLOCK();
    return offset < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, offset, 0L);
  }
  for (int i = 0; i < count; i++) len += parts[i].iov_len;
  copy = malloc(len + 1);
  if (!copy) stop("no memory", "");
  for (int i = 0; i < count; at += parts[i++].iov_len) memcpy(copy + at, parts[i].iov_base, parts[i].iov_len);
  int is_failing = path && fails(SPACE);
  /* A disk that fills up takes what there is room for, and says the rest at the next call. */
  int is_short = is_failing && fail_always && fail_calls == fail_at && len > 1;
  if (is_failing && !is_short) return free(copy), UNLOCK(), -1;
  if (is_short) len /= 2;
  /* Said before it is seen: whoever reads the pipe must find the mark in the log. */
  if (is_mark) append(MARK, 0, 0, 0, copy, len, NULL, 0);
  ssize_t done = offset < 0 ? syscall(SYS_write, fd, copy, len) : syscall(SYS_pwrite64, fd, copy, len, offset);
  if (path && done > 0) {
    uint64_t from = offset < 0 ? (uint64_t)lseek(fd, 0, SEEK_CUR) - done : (uint64_t)offset;
    append(WRITE, 0, inode, from, path, strlen(path), copy, done);
  }
  int error = errno;
  free(copy);
  errno = error;
  UNLOCK();
  return done;
}

static ssize_t write_one(int fd, const void *data, size_t len, off_t offset) {
  struct iovec part = {(void *)data, len};
  return write_parts(fd, &part, 1, offset);
}

ssize_t write(int fd, const void *data, size_t len) { return write_one(fd, data, len, -1); }
ssize_t pwrite(int fd, const void *data, size_t len, off_t offset) { return write_one(fd, data, len, offset); }
ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset) { return write_one(fd, data, len, offset); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return write_parts(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) { return write_parts(fd, parts, count, offset); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) { return write_parts(fd, parts, count, offset); }
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
  (void)flags;
  return write_parts(fd, parts, count, offset);
}
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags) {
  return pwritev2(fd, parts, count, offset, flags);
}

/* The kernel may refuse these; every caller must then be ready to read and write by itself. */
ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags) {
  char buffer[PATH_MAX];
  uint64_t inode;
  if (!known(out, buffer, &inode)) return syscall(SYS_copy_file_range, in, in_at, out, out_at, len, flags);
  errno = EXDEV;
  return -1;
}

static ssize_t send(int out, int in, off_t *offset, size_t len) {
  char buffer[PATH_MAX];
  uint64_t inode;
  if (!known(out, buffer, &inode)) return syscall(SYS_sendfile, out, in, offset, len);
  errno = EINVAL;
  return -1;
}
ssize_t sendfile(int out, int in, off_t *offset, size_t len) { return send(out, in, offset, len); }
ssize_t sendfile64(int out, int in, off64_t *offset, size_t len) { return send(out, in, offset, len); }

ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags) {
  char buffer[PATH_MAX];
  uint64_t inode;
  if (!known(out, buffer, &inode)) return syscall(SYS_splice, in, in_at, out, out_at, len, flags);
  errno = EINVAL;
  return -1;
}

/* Length */

static int set_len(int fd, off_t len) {
  char buffer[PATH_MAX];
  uint64_t inode;
  LOCK();
  const char *path = known(fd, buffer, &inode);
  struct stat stat;
  int grows = path && fstat(fd, &stat) == 0 && len > stat.st_size;
  int result = grows && fails(SPACE) ? -1 : syscall(SYS_ftruncate, fd, len);
  if (path && result == 0) note(TRUNCATE, 0, inode, len, path);
  UNLOCK();
  return result;
}
int ftruncate(int fd, off_t len) { return set_len(fd, len); }
int ftruncate64(int fd, off64_t len) { return set_len(fd, len); }

static int truncate_path(const char *path, off_t len) {
  int fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) return -1;
  int result = set_len(fd, len), error = errno;
  syscall(SYS_close, fd);
  errno = error;
  return result;
}
int truncate(const char *path, off_t len) { return truncate_path(path, len); }
int truncate64(const char *path, off64_t len) { return truncate_path(path, len); }

static int allocate(int fd, int mode, off_t offset, off_t len) {
  char buffer[PATH_MAX];
  uint64_t inode;
  LOCK();
  const char *path = known(fd, buffer, &inode);
  struct stat stat;
  if (path && mode & ~FALLOC_FL_KEEP_SIZE) stop("an unknown way of fallocate", path);
  int result = path && fails(SPACE) ? -1 : syscall(SYS_fallocate, fd, mode, offset, len);
  int grew = path && result == 0 && mode == 0 && fstat(fd, &stat) == 0 && offset + len == stat.st_size;
  if (grew) note(TRUNCATE, 0, inode, stat.st_size, path);
  UNLOCK();
  return result;
}
int fallocate(int fd, int mode, off_t offset, off_t len) { return allocate(fd, mode, offset, len); }
int fallocate64(int fd, int mode, off64_t offset, off64_t len) { return allocate(fd, mode, offset, len); }
int posix_fallocate(int fd, off_t offset, off_t len) { return allocate(fd, 0, offset, len) == 0 ? 0 : errno; }
int posix_fallocate64(int fd, off64_t offset, off64_t len) { return posix_fallocate(fd, offset, len); }

/* Names */

static int move(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  char from_buffer[PATH_MAX], to_buffer[PATH_MAX];
  LOCK();
  const char *old = resolve(from_dir, from, from_buffer), *new = resolve(to_dir, to, to_buffer);
  if (!old != !new) stop("a name moved into or out of the folder", from);
  if (old && flags & RENAME_EXCHANGE) stop("two names exchanged", from);
  int result = old && fails(SPACE) ? -1 : syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
  if (old && result == 0) append(RENAME, 0, 0, 0, old, strlen(old), new, strlen(new));
  UNLOCK();
  return result;
}
int rename(const char *from, const char *to) { return move(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_dir, const char *from, int to_dir, const char *to) { return move(from_dir, from, to_dir, to, 0); }
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  return move(from_dir, from, to_dir, to, flags);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
  char from_buffer[PATH_MAX], to_buffer[PATH_MAX];
  LOCK();
  const char *old = resolve(from_dir, from, from_buffer), *new = resolve(to_dir, to, to_buffer);
  if (!old != !new) stop("a name linked into or out of the folder", from);
  int result = old && fails(SPACE) ? -1 : syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
  if (old && result == 0) append(LINK, 0, inode_of(to_dir, to), 0, old, strlen(old), new, strlen(new));
  UNLOCK();
  return result;
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int symlinkat(const char *to, int dir, const char *path) {
  char buffer[PATH_MAX];
  if (resolve(dir, path, buffer)) stop("a symbolic link", path);
  return syscall(SYS_symlinkat, to, dir, path);
}
int symlink(const char *to, const char *path) { return symlinkat(to, AT_FDCWD, path); }

int unlinkat(int dir, const char *path, int flags) {
  char buffer[PATH_MAX];
  LOCK();
  const char *name = resolve(dir, path, buffer);
  int result = syscall(SYS_unlinkat, dir, path, flags);
  if (name && result == 0) note(REMOVE, 0, 0, 0, name);
  UNLOCK();
  return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
  int result = unlink(path);
  return result != 0 && (errno == EISDIR || errno == EPERM) ? rmdir(path) : result;
}

int mkdirat(int dir, const char *path, mode_t mode) {
  char buffer[PATH_MAX];
  LOCK();
  const char *name = resolve(dir, path, buffer);
  int is_new = name && inode_of(dir, path) == 0;
  int result = is_new && fails(SPACE) ? -1 : syscall(SYS_mkdirat, dir, path, mode);
  if (name && result == 0) note(MAKE_DIR, 0, inode_of(dir, path), 0, name);
  UNLOCK();
  return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

/* Waiting for the device. Other threads go on meanwhile: only what was written before the beginning is safe at the end. */

static int wait_for_device(int fd, int flag, long call) {
  char buffer[PATH_MAX];
  uint64_t inode = 0;
  LOCK();
  const char *path = known(fd, buffer, &inode);
  int fault = path && fails(DEVICE);
  if (path) note(SYNC_BEGIN, flag, inode, 0, path);
  UNLOCK();
  int result = fault ? -1 : syscall(call, fd);
  if (!path) return result;
  pthread_mutex_lock(&order);
  if (fault) errno = fail_errno;
  note(SYNC_END, result == 0 ? flag : flag | FAILED, inode, 0, path);
  UNLOCK();
  return result;
}
int fsync(int fd) { return wait_for_device(fd, 0, SYS_fsync); }
int fdatasync(int fd) { return wait_for_device(fd, DATA_ONLY, SYS_fdatasync); }
int syncfs(int fd) { return wait_for_device(fd, WHOLE, SYS_syncfs); }

/* sync_file_range is left alone and not recorded: it starts the writing, but no device has to have it when it returns. */

/* Mappings */

static void *map(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
  char buffer[PATH_MAX];
  uint64_t inode;
  if (fd >= 0 && (flags & MAP_TYPE) != MAP_PRIVATE && protection & PROT_WRITE && known(fd, buffer, &inode))
    stop("a shared writable mapping", buffer);
  return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, offset);
}
void *mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
  return map(at, len, protection, flags, fd, offset);
}
void *mmap64(void *at, size_t len, int protection, int flags, int fd, off64_t offset) {
  return map(at, len, protection, flags, fd, offset);
}
