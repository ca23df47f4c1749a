package wire_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/waybill-io/waybill/cmd/internal/wire"
)

// A trial is to run out of memory before its container does. The bounds of this
// test are too wide to be felt.
func TestATrialStaysBelowWhatItsContainerHasLeft(t *testing.T) {
	const tib = 1 << 40
	limit := func() uint64 {
		t.Helper()
		var now syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_DATA, &now); err != nil {
			t.Fatal(err)
		}
		return now.Cur
	}
	before := limit()
	if before < 16*tib {
		t.Skipf("this machine bounds processes to %d bytes already", before)
	}
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  uint64
	}{
		{"no container", nil, before},
		{"a container without a bound", map[string]string{"memory.max": "max\n", "memory.current": "1\n"}, before},
		{"it is half full, a quarter of it with files", map[string]string{
			"memory.max": "17592186044416\n", "memory.current": "8796093022208\n", "memory.stat": "anon 1\ninactive_file 4398046511104\nactive_file 2\n",
		}, 12 * tib / 8 * 7},
		{"more than the process may have anyway", map[string]string{"memory.max": "35184372088832\n", "memory.current": "0\n"}, 12 * tib / 8 * 7},
	} {
		dir := t.TempDir()
		for name, text := range tt.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := wire.Confine(dir); err != nil {
			t.Fatal(err)
		}
		if got := limit(); got != tt.want {
			t.Errorf("%s: the process may have %d bytes, want %d", tt.name, got, tt.want)
		}
	}
	all := syscall.Rlimit{Cur: before, Max: before}
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &all); err != nil {
		t.Fatal(err)
	}
}
