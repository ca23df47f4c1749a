package internal_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// rule is one row of the import table: what a package of this module may import
// besides the standard library. Third-party imports are free unless owners says
// otherwise.
type rule struct {
	floor int      // a package imports only lower floors
	may   []string // packages of this module, or everything
	pure  bool     // no outside world and no clock: see pureBans and pureClock
	embed bool     // nothing but embedded files: see embedOnly
}

const everything = "everything"

// table is the flow of the architecture, floor by floor. It is the only place
// where a new package is allowed in.
var table = map[string]rule{
	"cmd/producer":      {floor: 4, may: []string{everything}},
	"cmd/consumer":      {floor: 4, may: []string{everything}},
	"cmd/tracker-ws":    {floor: 4, may: []string{everything}},
	"cmd/dev":           {floor: 4, may: []string{everything}},
	"cmd/internal/cli":  {floor: 4},                            // flags, signals and exit codes of the four above
	"cmd/internal/wire": {floor: 4, may: []string{everything}}, // the parts put together, once for all four
	"events/publish":    {floor: 4, may: []string{"events"}},
	"events/watch":      {floor: 4, may: []string{"events"}},

	"internal/topic": {floor: 3, may: []string{"events", "internal/projector", "internal/ingest"}},
	"internal/readmodel": {floor: 3, may: []string{
		"events", "internal/tracking", "internal/projector", "internal/fanout", "internal/query", "internal/share", "internal/auth", "schemas",
	}},
	"internal/gateway":  {floor: 3, may: []string{"events", "internal/fanout", "internal/share", "internal/auth", "internal/limit", "internal/origin"}},
	"internal/devstack": {floor: 3},

	"internal/ingest":    {floor: 2, may: []string{"events", "internal/auth"}},
	"internal/projector": {floor: 2, may: []string{"events", "internal/tracking"}},
	"internal/fanout":    {floor: 2, may: []string{"events", "internal/tracking"}},
	"internal/query":     {floor: 2, may: []string{"events", "internal/tracking", "internal/auth", "internal/limit", "internal/origin"}},
	"internal/share":     {floor: 2, may: []string{"events", "internal/tracking", "internal/limit"}},
	"internal/carriers":  {floor: 2, may: []string{"events"}},
	"internal/scenario":  {floor: 2, may: []string{"events"}},

	"internal/tracking": {floor: 1, may: []string{"events"}, pure: true},

	"events":          {floor: 0},
	"schemas":         {floor: 0, embed: true},
	"web":             {floor: 0, embed: true},
	"internal/auth":   {floor: 0},
	"internal/limit":  {floor: 0},
	"internal/origin": {floor: 0},
	"internal/ops":    {floor: 0},
	"internal/fault":  {floor: 0},
}

// openTo names the packages that every package from a floor upwards may import.
var openTo = map[string]int{"internal/ops": 2, "internal/fault": 2}

// onlyFrom names the packages of this module that a single one may import, its
// "everything" notwithstanding: production knows nothing of the embedded stack.
var onlyFrom = map[string]string{"internal/devstack": "cmd/dev"}

// owners says which packages may import a library that is an adapter's reason to
// exist; a library without owners is for tests only. The key covers everything
// below that path.
var owners = map[string][]string{
	"github.com/segmentio/kafka-go":              {"internal/topic"},
	"github.com/jackc/pgx":                       {"internal/readmodel"},
	"github.com/pressly/goose":                   {"internal/readmodel"},
	"database/sql":                               {"internal/readmodel"},
	"github.com/coder/websocket":                 {"internal/gateway", "events/watch"},
	"github.com/twmb/franz-go":                   {"internal/devstack"},
	"github.com/fergusstrange/embedded-postgres": {"internal/devstack"},
	"os/signal":                                  {"cmd/internal/cli"},
	"testing":                                    {},
	"github.com/google/go-cmp":                   {},
	"pgregory.net/rapid":                         {},
	"go.uber.org/goleak":                         {},
	"github.com/stretchr":                        {},
	"github.com/compose-spec":                    {},
}

// exits are the packages that may end the process: the commands, and the named
// crash points of the tests.
var exits = []string{"cmd/producer", "cmd/consumer", "cmd/tracker-ws", "cmd/dev", "internal/fault"}

// What a pure package may not have: imports (and what lies below them) that let
// the outside world in, and the functions of package time that read the clock.
var (
	pureBans  = []string{"context", "log", "os", "net", "sync", "math/rand", "crypto/rand", "io", "syscall", "runtime", "unsafe"}
	pureClock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"}
	pureLibs  = []string{"github.com/go-json-experiment/json"}
)

// embedOnly is all that a package of embedded files may import.
var embedOnly = []string{"embed", "io/fs"}

func TestPackagesImportOnlyWhatTheirFloorAllows(t *testing.T) {
	found, problems := checkFloors(os.DirFS(".."))
	for _, p := range problems {
		t.Error(p)
	}
	if len(found) == 0 {
		t.Fatal("no package of the module was found, so nothing was checked")
	}

	list := exec.Command("go", "list", "-e", "-f", "{{if .GoFiles}}{{.ImportPath}}{{end}}", "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("list the packages of the module: %v", err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if dir := strings.TrimPrefix(path, module+"/"); !found[dir] {
			t.Errorf("package %s was not checked: the walk over the module did not find it", dir)
		}
	}
}

// The table must be possible to keep: what it allows lies on a lower floor, so no
// two adapters see each other, and every name in it is a row.
func TestTheImportTableIsConsistent(t *testing.T) {
	for pkg, r := range table {
		for _, to := range r.may {
			if to == everything {
				if r.floor != 4 {
					t.Errorf("%s may import everything, which only floor 4 may", pkg)
				}
				continue
			}
			target, ok := table[to]
			if !ok {
				t.Errorf("%s may import %s, which has no row", pkg, to)
			} else if target.floor >= r.floor {
				t.Errorf("%s on floor %d may import %s on floor %d, which is not lower", pkg, r.floor, to, target.floor)
			}
		}
	}
	for lib, pkgs := range owners {
		for _, pkg := range pkgs {
			if _, ok := table[pkg]; !ok {
				t.Errorf("%s belongs to %s, which has no row", lib, pkg)
			}
		}
	}
	for pkg := range openTo {
		if _, ok := table[pkg]; !ok {
			t.Errorf("%s is open to upper floors and has no row", pkg)
		}
	}
	for pkg, from := range onlyFrom {
		for _, name := range []string{pkg, from} {
			if _, ok := table[name]; !ok {
				t.Errorf("%s has a sole importer, %s: %s has no row", pkg, from, name)
			}
		}
	}
}
