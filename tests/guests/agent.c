/*
 * PID 1 of a test guest: makes a root directory of those that the host shares, then runs the host's commands one after the other.
 *
 * Static, alone in the initrd, so that the same file starts again after a kexec. The host speaks through a virtio-serial port named
 * "rig"; numbers are decimal, a frame is a line and the bytes it counts:
 *
 *   host to guest   R <seq> <uid> <bytes>\n...   run by /bin/sh -c, as this user        guest to host   H <boot id> <release>\n   ready
 *                   K <seq>\n                    kill what runs, with all its group                     O <bytes>\n...            output
 *                   B\n                          kexec into the loaded kernel                           E <bytes>\n...            errors
 *                   P\n                          power off                                              X <seq> <status>\n        ended: as a shell counts
 *                   C\n                          panic, into the crash kernel where one is loaded
 *
 * Output that a background process writes after its shell has ended is lost; the process goes on.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT "rig"
#define MSIZE "msize=512000"

static int port = -1;

/* The last words: PID 1 that ends panics the kernel, and panic=-1 ends QEMU. */
static void die(const char *what)
{
	printf("rig: %s: %s\n", what, strerror(errno));
	sync();
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void mount_or_say(const char *source, const char *target, const char *type, unsigned long flags, const char *options)
{
	if (mount(source, target, type, flags, options) && errno != ENODEV && errno != EBUSY)
		printf("rig: mount %s: %s\n", target, strerror(errno));
}

static void send_all(const void *data, size_t size)
{
	const char *from = data;

	while (size) {
		ssize_t sent = write(port, from, size);

		if (sent < 0 && errno != EINTR && errno != EAGAIN)
			die("write to the host");
		if (sent > 0) {
			from += sent;
			size -= sent;
		}
	}
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	send_all(line, strlen(line));
}

/* The port's device has a number that depends on what else is there; its name does not. */
static int open_port(void)
{
	DIR *ports = opendir("/sys/class/virtio-ports");
	struct dirent *each;
	int found = -1;

	while (ports && found < 0 && (each = readdir(ports))) {
		char path[600], name[64] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", each->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file) && !strncmp(name, PORT, strlen(PORT))) {
			snprintf(path, sizeof(path), "/dev/%s", each->d_name);
			found = open(path, O_RDWR | O_CLOEXEC);
		}
		fclose(file);
	}
	if (ports)
		closedir(ports);
	return found;
}

/*
 * /new: a tmpfs with the directories that this file mounts something on, and of the host's directory those that hold programs. The host's
 * directory may be its own root, which has no /share, and whose /tmp and /home are none of the guest's business.
 */
static void put_root_together(void)
{
	/* guest_directory.py: SHOWN */
	static const char *const shown[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "var", "opt"};
	static const char *const empty[] = {"proc", "sys", "dev", "run", "tmp", "root", "share", "packages", "mnt"};

	if (mount("newroot", "/new", "tmpfs", 0, "mode=755"))
		die("mount a tmpfs");
	for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++) {
		char path[64];

		snprintf(path, sizeof(path), "/new/%s", empty[i]);
		mkdir(path, 0755);
	}
	mkdir("/host", 0755);
	/* These do not change while they are mounted: their pages may be cached. What is in the share does. */
	if (mount("root", "/host", "9p", MS_RDONLY, "trans=virtio,version=9p2000.L,cache=loose," MSIZE))
		die("mount the root");
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
		char from[64], to[64], target[256];
		struct stat found;

		snprintf(from, sizeof(from), "/host/%s", shown[i]);
		snprintf(to, sizeof(to), "/new/%s", shown[i]);
		if (lstat(from, &found))
			continue;
		if (S_ISLNK(found.st_mode)) {
			ssize_t length = readlink(from, target, sizeof(target) - 1);

			target[length < 0 ? 0 : length] = 0;
			if (symlink(target, to))
				die(to);
		} else if (mkdir(to, 0755) || mount(from, to, NULL, MS_BIND, NULL)) {
			die(to);
		}
	}
	/* Python packages, where the root does not have them itself. */
	mount("packages", "/new/packages", "9p", MS_RDONLY, "trans=virtio,version=9p2000.L,cache=loose," MSIZE);
}

static void set_up(void)
{
	mkdir("/new", 0755);
	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	int console = open("/dev/console", O_RDWR);
	if (console >= 0)
		for (int fd = 0; fd < 3; fd++)
			dup2(console, fd);
	if (console > 2)
		close(console);
	setbuf(stdout, NULL);
	put_root_together();
	mount_or_say("devtmpfs", "/new/dev", "devtmpfs", 0, NULL);
	if (chdir("/new") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		die("change the root");
	mount_or_say("proc", "/proc", "proc", 0, NULL);
	mount_or_say("sysfs", "/sys", "sysfs", 0, NULL);
	mount_or_say("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount_or_say("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
	mkdir("/dev/pts", 0755);
	mkdir("/dev/shm", 01777);
	mount_or_say("devpts", "/dev/pts", "devpts", 0, "mode=620,ptmxmode=666");
	mount_or_say("shm", "/dev/shm", "tmpfs", 0, "mode=1777");
	mount_or_say("tmp", "/tmp", "tmpfs", 0, "mode=1777");
	mount_or_say("vartmp", "/var/tmp", "tmpfs", 0, "mode=1777");
	mount_or_say("run", "/run", "tmpfs", 0, "mode=755");
	mount_or_say("home", "/root", "tmpfs", 0, "mode=700");
	if (mount("share", "/share", "9p", 0, "trans=virtio,version=9p2000.L," MSIZE))
		die("mount the share");
	clearenv();
	setenv("PATH", "/share/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("LANG", "C.UTF-8", 1);
	setenv("TERM", "dumb", 1);
	setenv("PYTHONPATH", "/share/project:/packages", 1);
	setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
}

static void hello(void)
{
	struct utsname name;
	char boot[64] = "-";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");

	if (file) {
		if (fscanf(file, "%63s", boot) != 1)
			strcpy(boot, "-");
		fclose(file);
	}
	uname(&name);
	say("H %s %s\n", boot, name.release);
}

/* A port that reads as nothing: the host has closed it, and a host that was killed ends no QEMU. */
static void host_is_gone(void)
{
	printf("rig: the host is gone\n");
	reboot(RB_POWER_OFF);
	pause();
}

/* One line of the host's, without its end. */
static void read_line(char *line, size_t size)
{
	size_t length = 0;

	for (;;) {
		char c;
		ssize_t got = read(port, &c, 1);

		if (got == 1) {
			if (c == '\n')
				break;
			if (length + 1 < size)
				line[length++] = c;
		} else if (got == 0) {
			host_is_gone();
		} else if (errno != EINTR && errno != EAGAIN) {
			die("read from the host");
		}
	}
	line[length] = 0;
}

static void read_bytes(char *to, size_t size)
{
	while (size) {
		ssize_t got = read(port, to, size);

		if (got > 0) {
			to += got;
			size -= got;
		} else if (got == 0) {
			host_is_gone();
		} else if (errno != EINTR && errno != EAGAIN) {
			die("read from the host");
		}
	}
}

static pid_t start(const char *command, unsigned uid, int out, int err)
{
	pid_t child = fork();

	if (child)
		return child;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	int nothing = open("/dev/null", O_RDONLY);
	dup2(nothing, 0);
	dup2(out, 1);
	dup2(err, 2);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	setenv("HOME", uid ? "/tmp" : "/root", 1);
	setenv("USER", uid ? "tester" : "root", 1);
	if (uid && (setgroups(0, NULL) || setgid(uid) || setuid(uid)))
		_exit(126);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

/* Passes on what a pipe holds; false at its end. */
static int pass_on(int from, char kind)
{
	static char data[65536];
	ssize_t got = read(from, data, sizeof(data));

	if (got > 0) {
		say("%c %zd\n", kind, got);
		send_all(data, got);
	}
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void run(const char *command, unsigned long seq, unsigned uid, int children)
{
	int out[2], err[2], status = 0, ended = 0;

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipe");
	pid_t child = start(command, uid, out[1], err[1]);
	if (child < 0)
		die("fork");
	close(out[1]);
	close(err[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	struct pollfd polled[] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}, {port, POLLIN, 0}, {children, POLLIN, 0}};
	while (!ended) {
		if (poll(polled, 4, 1000) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < 2; i++)
			if (polled[i].revents && !pass_on(polled[i].fd, "OE"[i]))
				polled[i].fd = -1;
		if (polled[2].revents & POLLHUP)
			host_is_gone();
		if (polled[2].revents & POLLIN) {
			char line[64];

			read_line(line, sizeof(line));
			if (line[0] == 'K' && strtoul(line + 1, NULL, 10) == seq)
				kill(-child, SIGKILL);
		}
		struct signalfd_siginfo info;
		while (read(children, &info, sizeof(info)) > 0)
			;
		pid_t gone;
		int how;
		while ((gone = waitpid(-1, &how, WNOHANG)) > 0)
			if (gone == child) {
				ended = 1;
				status = how;
			}
	}
	/* What the shell said last; a child of its that goes on holds the pipes open, which is not waited for. */
	for (int i = 0; i < 2; i++) {
		struct pollfd left = {i ? err[0] : out[0], POLLIN, 0};

		while (poll(&left, 1, 0) > 0 && (left.revents & POLLIN) && pass_on(left.fd, "OE"[i]))
			;
		close(left.fd);
	}
	say("X %lu %d\n", seq, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

int main(void)
{
	set_up();
	sigset_t blocked;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	int children = signalfd(-1, &blocked, SFD_NONBLOCK | SFD_CLOEXEC);
	for (int tries = 0; port < 0 && tries < 250; tries++)
		if ((port = open_port()) < 0)
			usleep(20000);
	if (port < 0)
		die("open the port");
	printf("rig: ready\n");
	hello();
	for (;;) {
		char line[128];
		unsigned long seq;
		unsigned uid;
		size_t size;

		read_line(line, sizeof(line));
		if (sscanf(line, "R %lu %u %zu", &seq, &uid, &size) == 3) {
			char *command = calloc(1, size + 1);

			if (!command)
				die("calloc");
			read_bytes(command, size);
			run(command, seq, uid, children);
			free(command);
		} else if (line[0] == 'B') {
			sync();
			printf("rig: kexec\n");
			reboot(RB_KEXEC);
			/* Without a loaded kernel, or where something refuses to be handed over. */
			say("X 0 %d\n", errno);
		} else if (line[0] == 'C') {
			/* These kernels have no sysrq. A kernel panics when its PID 1 ends. */
			sync();
			printf("rig: panic\n");
			_exit(0);
		} else if (line[0] == 'P') {
			sync();
			reboot(RB_POWER_OFF);
		}
	}
}
