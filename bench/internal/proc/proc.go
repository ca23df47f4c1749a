package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ticks per second in /proc/PID/stat: fixed at 100 for user space on Linux.
const ticks = 100

// SelfCPU is how many seconds of processor time this process has used.
func SelfCPU() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return seconds(u.Utime) + seconds(u.Stime)
}

func seconds(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

// PeakMiB is the most memory that this process has had resident, in MiB.
func PeakMiB() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			n, _ := strconv.ParseFloat(kib, 64)
			return n / 1024
		}
	}
	return 0
}

// ServerCPU is how many seconds a server with one process per connection has
// used: its own, those of children that have ended, and those of children that
// live.
func ServerCPU(pid int) (float64, error) {
	own, err := stat(pid)
	if err != nil {
		return 0, err
	}
	total := own.used + own.reaped
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		id, _ := strconv.Atoi(filepath.Base(dir))
		if s, err := stat(id); err == nil && s.parent == pid {
			total += s.used + s.reaped
		}
	}
	return float64(total) / ticks, nil
}

type usage struct {
	parent       int
	used, reaped int // ticks
}

func stat(pid int) (usage, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("read what process %d has used: %w", pid, err)
	}
	_, rest, ok := strings.Cut(string(text), ") ") // the name before may hold blanks
	f := strings.Fields(rest)
	if !ok || len(f) < 15 {
		return usage{}, fmt.Errorf("read what process %d has used: unexpected text", pid)
	}
	n := func(i int) int { v, _ := strconv.Atoi(f[i]); return v }
	return usage{parent: n(1), used: n(11) + n(12), reaped: n(13) + n(14)}, nil
}

// CPU is how many seconds another process has used, its children not counted.
func CPU(pid int) (float64, error) {
	s, err := stat(pid)
	return float64(s.used) / ticks, err
}

// ResidentKiB is how much memory another process has resident, in KiB.
func ResidentKiB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("read what process %d has resident: %w", pid, err)
	}
	f := strings.Fields(string(text))
	if len(f) < 2 {
		return 0, fmt.Errorf("read what process %d has resident: unexpected text", pid)
	}
	pages, err := strconv.ParseFloat(f[1], 64)
	return pages * float64(os.Getpagesize()) / 1024, err
}
