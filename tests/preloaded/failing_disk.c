/* A disk that fails below a folder, for as long as a file of rules is there.

   FAILING_DISK names the file, which has one rule: "<call> <error number> <bytes> <folder>".
     write 5 100 /srv/models     files below the folder take 100 bytes, then writing answers EIO
     fsync 5 0 /srv/models       what was written cannot be brought to the disk
     rename 13 0 /srv/models     nothing gets a name there
   Nothing else changes, and nothing at all without the file. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char call[16];
    int error;
    long bytes;
    char folder[PATH_MAX];
} Rule;

static int rule_of(const char *call, Rule *rule) {
    const char *path = getenv("FAILING_DISK");
    FILE *file = path ? fopen(path, "re") : NULL;
    if (file == NULL) return 0;
    int read = fscanf(file, "%15s %d %ld %4095[^\n]", rule->call, &rule->error, &rule->bytes,
                      rule->folder);
    fclose(file);
    return read == 4 && strcmp(rule->call, call) == 0;
}

static int is_below(const char *path, const char *folder) {
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

static int fails(const char *call, int descriptor, Rule *rule) {
    int before = errno, failing = 0;
    if (rule_of(call, rule)) {
        char link[64], path[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length < 0 ? 0 : length] = '\0';
        failing = is_below(path, rule->folder);
    }
    errno = before;
    return failing;
}

ssize_t write(int descriptor, const void *from, size_t count) {
    static ssize_t (*original)(int, const void *, size_t);
    if (original == NULL) original = dlsym(RTLD_NEXT, "write");
    Rule rule;
    struct stat status;
    if (fails("write", descriptor, &rule) && fstat(descriptor, &status) == 0) {
        long room = rule.bytes - status.st_size;
        if (room <= 0) {
            errno = rule.error;
            return -1;
        }
        if ((size_t)room < count) count = (size_t)room;
    }
    return original(descriptor, from, count);
}

int fsync(int descriptor) {
    static int (*original)(int);
    if (original == NULL) original = dlsym(RTLD_NEXT, "fsync");
    Rule rule;
    if (fails("fsync", descriptor, &rule)) {
        errno = rule.error;
        return -1;
    }
    return original(descriptor);
}

int rename(const char *from, const char *to) {
    static int (*original)(const char *, const char *);
    if (original == NULL) original = dlsym(RTLD_NEXT, "rename");
    Rule rule;
    if (rule_of("rename", &rule) && is_below(to, rule.folder)) {
        errno = rule.error;
        return -1;
    }
    return original(from, to);
}
