/*
 * Gives a guest a live update state, holds it, and takes it back after the kexec.
 *
 *   hold_state hold TRUTH [FILE...]               make sessions and memfds, preserve them, write what they are to TRUTH, stay behind
 *   hold_state retrieve REPORT [--keep] [FILE...] take them back, compare, write what was found to REPORT; finish the sessions, or
 *                                                 with --keep leave them unfinished and stay behind
 *
 * FILE is SESSION[:TOKEN:BYTES[:sealed]]; those of a session stand together, SESSION alone is one without files. Without any: vm-alpha with
 * 5 MiB and a sealed page, vm-beta with 3000000 bytes, and one that is empty.
 *
 * The caller gets the prompt back once the JSON is written (bytes, page frame numbers in the file's order, zlib's CRC-32); its "pid" is what
 * stays behind and holds everything open. A signal ends that, and with it what it held; but SIGUSR1 makes what holds preserve 1056768 bytes
 * more, in a session "later" that it describes in TRUTH.later, and SIGUSR2 makes it close that session, which unpreserves them, and remove
 * TRUTH.later. Exit code: 0, 1 for no LUO here or no JSON, 2 for wrong arguments, 3 where a session or a file was refused or is not what it
 * was ("error": an errno's text).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* include/uapi/linux/liveupdate.h, which no distribution has yet. */
#define CREATE_SESSION 0xBA00
#define RETRIEVE_SESSION 0xBA01
#define PRESERVE_FD 0xBA40
#define RETRIEVE_FD 0xBA41
#define FINISH_SESSION 0xBA42
struct session_order {
	uint32_t size;
	int32_t fd;
	uint8_t name[64];
};
struct fd_order {
	uint32_t size;
	int32_t fd;
	uint64_t token __attribute__((aligned(8)));
};
struct finish_order {
	uint32_t size;
	uint32_t reserved;
};

#define PAGE 4096ull
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

struct file {
	char session[64];
	int has_file;
	uint64_t token;
	uint64_t bytes;
	int sealed;
};

static const char *const usual[] = {"vm-alpha:1:5242880", "vm-alpha:2:4096:sealed", "vm-beta:0xdeadbeef:3000000", "empty"};
static int luo, failed;

static int parse(const char *text, struct file *file)
{
	char *end;
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);

	memset(file, 0, sizeof(*file));
	if (!length || length >= sizeof(file->session))
		return 0;
	memcpy(file->session, text, length);
	if (!colon)
		return 1;
	file->has_file = 1;
	file->token = strtoull(colon + 1, &end, 0);
	if (*end != ':')
		return 0;
	file->bytes = strtoull(end + 1, &end, 0);
	file->sealed = !strcmp(end, ":sealed");
	return file->bytes && (!*end || file->sealed);
}

/* The eight bytes that a file has at an offset which is a multiple of eight. */
static uint64_t word(const struct file *file, uint64_t offset)
{
	return offset ^ (file->token << 40);
}

static uint32_t crc32(uint32_t crc, const uint8_t *data, size_t size)
{
	for (crc = ~crc; size--;) {
		crc ^= *data++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
	}
	return ~crc;
}

/* Writes the text of a JSON member that says what went wrong. */
static void refused(FILE *json, const char *what)
{
	failed = 1;
	fprintf(json, "\"error\": \"%s: %s\"", what, strerror(errno));
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void page_frames(FILE *json, int fd, uint64_t bytes)
{
	volatile uint8_t *mapped = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	int pagemap = open("/proc/self/pagemap", O_RDONLY);

	fprintf(json, "\"pfns\": [");
	for (uint64_t at = 0; mapped != MAP_FAILED && at < bytes; at += PAGE) {
		uint64_t entry = 0;

		(void)mapped[at];
		if (pread(pagemap, &entry, 8, ((uintptr_t)mapped + at) / PAGE * 8) != 8)
			break;
		fprintf(json, "%s%llu", at ? ", " : "", (unsigned long long)(entry & ((1ull << 55) - 1)));
	}
	fprintf(json, "]");
	close(pagemap);
	if (mapped != MAP_FAILED)
		munmap((void *)mapped, bytes);
}

/* The members that describe an open memfd; true where its contents are what word() says. */
static int describe(FILE *json, const struct file *file, int fd)
{
	static union {
		uint8_t bytes[PAGE];
		uint64_t words[PAGE / 8];
	} page;
	struct stat status;
	uint32_t crc = 0;
	int same = 1;
	ssize_t got;

	fstat(fd, &status);
	for (uint64_t at = 0; (got = pread(fd, page.bytes, PAGE, at)) > 0; at += got) {
		crc = crc32(crc, page.bytes, got);
		for (uint64_t i = 0; i + 8 <= (uint64_t)got; i += 8)
			same &= page.words[i / 8] == word(file, at + i);
	}
	same &= (uint64_t)status.st_size == file->bytes;
	fprintf(json, "\"bytes\": %lld, \"position\": %lld, \"seals\": %d, \"crc32\": %u, ", (long long)status.st_size,
		(long long)lseek(fd, 0, SEEK_CUR), fcntl(fd, F_GET_SEALS), crc);
	page_frames(json, fd, status.st_size);
	return same;
}

static int new_memfd(const struct file *file)
{
	int fd = memfd_create("hold_state", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, file->bytes))
		return -1;
	for (uint64_t at = 0; at < file->bytes; at += PAGE) {
		uint64_t words[PAGE / 8];

		for (uint64_t i = 0; i < PAGE / 8; i++)
			words[i] = word(file, at + i * 8);
		if (pwrite(fd, words, least(PAGE, file->bytes - at), at) < 0)
			return -1;
	}
	/* A position and seals are handed over too. */
	lseek(fd, file->bytes / 2, SEEK_SET);
	if (file->sealed && fcntl(fd, F_ADD_SEALS, SEALS))
		return -1;
	return fd;
}

static int open_session(const char *name, int order)
{
	struct session_order asked = {.size = sizeof(asked)};

	strncpy((char *)asked.name, name, sizeof(asked.name) - 1);
	return ioctl(luo, order, &asked) ? -1 : asked.fd;
}

static void hold_file(FILE *json, const struct file *file, int session)
{
	int fd = new_memfd(file);
	struct fd_order asked = {.size = sizeof(asked), .fd = fd, .token = file->token};

	fprintf(json, "{\"token\": %llu, ", (unsigned long long)file->token);
	if (fd < 0) {
		refused(json, "memfd");
	} else if (ioctl(session, PRESERVE_FD, &asked)) {
		refused(json, "preserve");
	} else {
		describe(json, file, fd);
	}
	fprintf(json, "}");
}

static void retrieve_file(FILE *json, const struct file *file, int session)
{
	struct fd_order asked = {.size = sizeof(asked), .fd = -1, .token = file->token};

	fprintf(json, "{\"token\": %llu, ", (unsigned long long)file->token);
	if (ioctl(session, RETRIEVE_FD, &asked)) {
		refused(json, "retrieve");
	} else {
		int same = describe(json, file, asked.fd);

		fprintf(json, ", \"same\": %s", same ? "true" : "false");
		failed |= !same;
	}
	fprintf(json, "}");
}

static void all_sessions(FILE *json, const struct file *files, int count, int hold, int keep)
{
	fprintf(json, "{\"sessions\": [");
	for (int i = 0; i < count;) {
		const char *name = files[i].session;
		int session = open_session(name, hold ? CREATE_SESSION : RETRIEVE_SESSION);
		int first = i;

		fprintf(json, "%s\n{\"name\": \"%s\", ", i ? "," : "", name);
		if (session < 0) {
			refused(json, hold ? "create" : "retrieve");
			fprintf(json, ", ");
		}
		fprintf(json, "\"files\": [");
		for (; i < count && !strcmp(files[i].session, name); i++) {
			if (session < 0 || !files[i].has_file)
				continue;
			fprintf(json, "%s\n  ", i > first ? "," : "");
			(hold ? hold_file : retrieve_file)(json, &files[i], session);
		}
		fprintf(json, "]");
		if (!hold && !keep && session >= 0) {
			struct finish_order asked = {.size = sizeof(asked)};

			fprintf(json, ", ");
			if (ioctl(session, FINISH_SESSION, &asked))
				refused(json, "finish");
			else
				fprintf(json, "\"finished\": true");
		}
		fprintf(json, "}");
	}
	fprintf(json, "],\n\"pid\": ");
}

/* Puts a finished file into its place: whoever waits for it finds it whole. */
static int put(FILE *json, const char *unfinished, const char *path)
{
	return fclose(json) || rename(unfinished, path);
}

/* Holds what is held until a signal ends it, more and less of it as SIGUSR1 and SIGUSR2, which are blocked, say. */
static void stay(const char *truth)
{
	static const struct file more = {.session = "later", .has_file = 1, .token = 7, .bytes = 1056768};
	char path[512], unfinished[540];
	int number, session = -1;
	sigset_t both;

	snprintf(path, sizeof(path), "%s.later", truth);
	snprintf(unfinished, sizeof(unfinished), "%s.unfinished", path);
	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	while (!sigwait(&both, &number)) {
		if (number == SIGUSR1 && session < 0) {
			FILE *json = fopen(unfinished, "we");

			if (!json)
				continue;
			session = open_session(more.session, CREATE_SESSION);
			if (session < 0)
				refused(json, "create");
			else
				hold_file(json, &more, session);
			put(json, unfinished, path);
		} else if (number == SIGUSR2 && session >= 0) {
			close(session);
			session = -1;
			unlink(path);
		}
	}
}

int main(int count, char **words)
{
	int hold = count > 2 && !strcmp(words[1], "hold");
	int retrieve = count > 2 && !strcmp(words[1], "retrieve");
	int keep = retrieve && count > 3 && !strcmp(words[3], "--keep");
	int given = count - 3 - keep;
	const char *const *texts = given > 0 ? (const char *const *)words + 3 + keep : usual;
	int total = given > 0 ? given : (int)(sizeof(usual) / sizeof(*usual));
	struct file *files = calloc(total, sizeof(*files));
	int wrong = !hold && !retrieve;
	char unfinished[512];

	for (int i = 0; !wrong && i < total; i++)
		wrong = !parse(texts[i], &files[i]);
	if (wrong) {
		fprintf(stderr, "usage: hold_state hold TRUTH [SESSION[:TOKEN:BYTES[:sealed]]...]\n"
				"       hold_state retrieve REPORT [--keep] [SESSION[:TOKEN:BYTES[:sealed]]...]\n");
		return 2;
	}
	luo = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	if (luo < 0) {
		fprintf(stderr, "/dev/liveupdate: %s\n", strerror(errno));
		return 1;
	}
	snprintf(unfinished, sizeof(unfinished), "%s.unfinished", words[2]);
	FILE *json = fopen(unfinished, "we");
	if (!json) {
		fprintf(stderr, "%s: %s\n", unfinished, strerror(errno));
		return 1;
	}
	all_sessions(json, files, total, hold, keep);
	fflush(json);
	sigset_t both;
	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	if (hold)
		sigprocmask(SIG_BLOCK, &both, NULL);
	pid_t child = hold || keep ? fork() : 0;
	if ((hold || keep) && !child) {
		setsid();
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		fclose(json);
		if (hold)
			stay(words[2]);
		for (;;)
			pause();
	}
	if (child > 0)
		fprintf(json, "%d}\n", (int)child);
	else
		fprintf(json, "null}\n");
	if (put(json, unfinished, words[2])) {
		fprintf(stderr, "%s: %s\n", words[2], strerror(errno));
		return 1;
	}
	return failed ? 3 : 0;
}
