package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Conditions are what figures depend on beside the code.
type Conditions struct {
	Date   string `json:"date"`
	Cores  int    `json:"cores"`
	CPU    string `json:"cpu"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Commit string `json:"commit"`
	// Nice is this process's priority: 0 is everybody's, below it goes before
	// others.
	Nice int `json:"nice"`
	// LoadBefore and LoadAfter are the machine's load averages over one minute.
	// LoadBefore is what others do meanwhile.
	LoadBefore string `json:"load_before"`
	LoadAfter  string `json:"load_after"`
}

// Begin notes the conditions at the beginning of a run.
func Begin() Conditions {
	return Conditions{
		Date: time.Now().UTC().Format(time.RFC3339), Cores: runtime.NumCPU(),
		CPU: field("/proc/cpuinfo", "model name"), Memory: field("/proc/meminfo", "MemTotal"),
		Kernel: line("/proc/sys/kernel/osrelease"), Go: runtime.Version(), Commit: commit(), Nice: nice(), LoadBefore: load(),
	}
}

// End notes what is known only afterwards.
func (c *Conditions) End() { c.LoadAfter = load() }

func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// nice is what getpriority says, which the system call answers as 20 minus it.
func nice() int {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return 0
	}
	return 20 - raw
}

func load() string {
	first, _, _ := strings.Cut(line("/proc/loadavg"), " ")
	return first
}

// line reads a file of one line, or "" where there is none.
func line(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// field reads the first "name: value" of a file.
func field(file, name string) string {
	for l := range strings.Lines(line(file)) {
		if key, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(key) == name {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return ""
}

// Result writes the last line of a benchmark.
func Result(w io.Writer, figures any) error {
	doc, err := json.Marshal(figures)
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	_, err = fmt.Fprintf(w, "RESULT %s\n", doc)
	return err
}

// Median is the middle one of several figures; of an even number the mean of
// the two in the middle.
func Median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}
