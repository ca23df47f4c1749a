package wire

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// cgroup is where a container sees its own bounds.
const cgroup = "/sys/fs/cgroup"

// confine has this process run out of memory before its container does: then the
// kernel would end the whole of it, and the process that wants to know with it.
func confine(dir string) error {
	left, bounded := room(dir)
	if !bounded {
		return nil
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_DATA, &limit); err != nil {
		return fmt.Errorf("read the limit of memory: %w", err)
	}
	limit.Cur = min(limit.Cur, left)
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &limit); err != nil {
		return fmt.Errorf("limit memory to %d bytes: %w", left, err)
	}
	return nil
}

// room is how much memory the container has left, some of it kept back. What the
// kernel can do without, as pages of files that nobody has read lately, is room.
func room(dir string) (left uint64, bounded bool) {
	most, bounded := number(dir, "memory.max")
	used, known := number(dir, "memory.current")
	if !bounded || !known {
		return 0, false
	}
	stat, _ := os.ReadFile(filepath.Join(dir, "memory.stat"))
	for line := range strings.Lines(string(stat)) {
		if text, ok := strings.CutPrefix(line, "inactive_file "); ok {
			spare, _ := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
			used -= min(spare, used)
		}
	}
	return (most - min(used, most)) / 8 * 7, true
}

// number reads a file of one number; "max" is none.
func number(dir, name string) (n uint64, ok bool) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
