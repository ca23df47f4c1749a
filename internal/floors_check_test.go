package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/waybill-io/waybill"

// checkFloors holds the Go files of a module, read from its root, against the
// import table. It returns the packages that it looked at and, sorted, what is
// wrong with them. Test files import what they test with, and so do packages whose
// name ends in "test", which only they may import.
func checkFloors(root fs.FS) (found map[string]bool, problems []string) {
	found = map[string]bool{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && foreign(root, name):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		dir := path.Dir(name)
		if !found[dir] && !forTests(dir) && !hasRow(dir) {
			problems = append(problems, fmt.Sprintf("%s has no row in the import table of internal/floors_test.go: "+
				"give it one, on the floor where it belongs and with what it may import, or move its files into a package that has one", dir))
		}
		found[dir] = true
		if forTests(dir) || !hasRow(dir) {
			return nil
		}
		wrong, err := checkFile(root, dir, name)
		problems = append(problems, wrong...)
		return err
	})
	if err != nil {
		problems = append(problems, err.Error())
	}
	slices.Sort(problems)
	return found, problems
}

// foreign tells whether a directory is none of this module's: one that the go
// command passes over, or a module of its own.
func foreign(root fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || base == "node_modules" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil
}

// forTests tells whether a package holds nothing but what tests share, as
// projectortest does.
func forTests(pkg string) bool { return strings.HasSuffix(pkg, "test") }

func hasRow(pkg string) bool {
	_, ok := table[pkg]
	return ok
}

// checkFile reports what one file of package pkg imports or calls against its row.
func checkFile(root fs.FS, pkg, name string) (problems []string, err error) {
	src, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if spec.Name != nil && spec.Name.Name == "." {
			problems = append(problems, fmt.Sprintf("%s: imports %s into its own names, which hides where a name is from", name, imported))
		}
		if why := refuse(pkg, imported); why != "" {
			problems = append(problems, fmt.Sprintf("%s: may not import %s: %s", name, imported, why))
		}
	}
	calls, err := checkCalls(pkg, name, src)
	return append(problems, calls...), err
}

// refuse says why package pkg may not import a package, or nothing if it may.
func refuse(pkg, imported string) string {
	if to, ours := strings.CutPrefix(imported, module+"/"); ours {
		return refuseOwn(pkg, to)
	}
	row := table[pkg]
	for lib, pkgs := range owners {
		if within(imported, lib) && !slices.Contains(pkgs, pkg) {
			if len(pkgs) == 0 {
				return "it is for tests only"
			}
			return "only " + strings.Join(pkgs, " and ") + " may"
		}
	}
	switch {
	case row.embed && !slices.Contains(embedOnly, imported):
		return pkg + " holds embedded files and nothing else"
	case row.pure && slices.ContainsFunc(pureBans, func(ban string) bool { return within(imported, ban) }):
		return pkg + " is a pure function of the events"
	case row.pure && thirdParty(imported) && !slices.ContainsFunc(pureLibs, func(lib string) bool { return within(imported, lib) }):
		return pkg + " is a pure function of the events, so its libraries are listed in pureLibs"
	}
	return ""
}

// refuseOwn is refuse for the packages of this module.
func refuseOwn(pkg, to string) string {
	row := table[pkg]
	if forTests(to) {
		return "it is for tests only"
	}
	if from, sole := onlyFrom[to]; sole && pkg != from {
		return "only " + from + " may"
	}
	if floor, open := openTo[to]; open && row.floor >= floor {
		return ""
	}
	if slices.Contains(row.may, to) || slices.Contains(row.may, everything) {
		return ""
	}
	return fmt.Sprintf("the import table gives %s (floor %d) %q", pkg, row.floor, row.may)
}

// checkCalls reports the uses that imports do not show: a pure package that reads
// the clock, and anyone but a command that ends the process.
func checkCalls(pkg, name string, src []byte) ([]string, error) {
	mayExit, pure := slices.Contains(exits, pkg), table[pkg].pure
	if mayExit && !pure {
		return nil, nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	clock, system, logs := importName(file, "time"), importName(file, "os"), importName(file, "log")
	var problems []string
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		switch of, what := x.Name, sel.Sel.Name; {
		case pure && of == clock && slices.Contains(pureClock, what):
			problems = append(problems, fmt.Sprintf("%s: may not use time.%s: the clock belongs to the events", name, what))
		case !mayExit && of == system && what == "Exit", !mayExit && of == logs && strings.HasPrefix(what, "Fatal"):
			problems = append(problems, fmt.Sprintf("%s: may not use %s.%s: only commands end the process", name, of, what))
		}
		return true
	})
	return problems, nil
}

// importName returns the name that a file gives to a package of the standard
// library, or a text that is no name.
func importName(file *ast.File, pkg string) string {
	for _, spec := range file.Imports {
		if spec.Path.Value != strconv.Quote(pkg) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(pkg)
	}
	return "(not imported)"
}

func within(imported, lib string) bool {
	return imported == lib || strings.HasPrefix(imported, lib+"/")
}

func thirdParty(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return strings.Contains(first, ".")
}

// Each case is a module of one or two files, and a part of the sentence that the
// check must say about it; none means that the module is sound.
func TestTheFloorCheckSeesWhatBreaksTheTable(t *testing.T) {
	tests := []struct {
		name, file, src string
		want            string
	}{
		{"an adapter imports what it may", "internal/topic/a.go", `import "github.com/waybill-io/waybill/internal/projector"; import "github.com/segmentio/kafka-go/protocol"`, ""},
		{"an adapter imports another adapter", "internal/gateway/a.go", `import "github.com/waybill-io/waybill/internal/readmodel"`, "may not import github.com/waybill-io/waybill/internal/readmodel: the import table gives internal/gateway (floor 3)"},
		{"a lower floor imports an upper one", "internal/projector/a.go", `import "github.com/waybill-io/waybill/internal/topic"`, "may not import"},
		{"a neighbour on the same floor", "internal/fanout/a.go", `import "github.com/waybill-io/waybill/internal/projector"`, "may not import"},
		{"Kafka outside of topic", "internal/projector/a.go", `import "github.com/segmentio/kafka-go"`, "only internal/topic may"},
		{"Kafka in a command", "cmd/consumer/a.go", `import "github.com/segmentio/kafka-go"`, "only internal/topic may"},
		{"pgx outside of readmodel", "internal/query/a.go", `import "github.com/jackc/pgx/v5/pgxpool"`, "only internal/readmodel may"},
		{"SQL outside of readmodel", "internal/query/a.go", `import "database/sql"`, "only internal/readmodel may"},
		{"sockets in the public client", "events/watch/a.go", `import "github.com/coder/websocket/wsjson"`, ""},
		{"sockets in fanout", "internal/fanout/a.go", `import "github.com/coder/websocket"`, "only internal/gateway and events/watch may"},
		{"a blank import counts", "internal/fanout/a.go", `import _ "github.com/jackc/pgx/v5/stdlib"`, "only internal/readmodel may"},
		{"a dot import hides names", "internal/fanout/a.go", `import . "strings"`, "into its own names"},
		{"health checks from floor 2 upwards", "internal/ingest/a.go", `import "github.com/waybill-io/waybill/internal/ops"`, ""},
		{"health checks in the fold", "internal/tracking/a.go", `import "github.com/waybill-io/waybill/internal/ops"`, "may not import"},
		{"the embedded stack in cmd/dev", "cmd/dev/a.go", `import "github.com/waybill-io/waybill/internal/devstack"`, ""},
		{"the embedded stack in production", "cmd/consumer/a.go", `import "github.com/waybill-io/waybill/internal/devstack"`, "only cmd/dev may"},
		{"the embedded broker in production", "internal/topic/a.go", `import "github.com/twmb/franz-go/pkg/kfake"`, "only internal/devstack may"},
		{"a test suite in production", "internal/readmodel/a.go", `import "github.com/waybill-io/waybill/internal/projector/projectortest"`, "for tests only"},
		{"a test suite imports what it tests with", "internal/projector/projectortest/a.go", `import "testing"; import "github.com/jackc/pgx/v5"`, ""},
		{"package testing in production", "internal/fanout/a.go", `import "testing"`, "for tests only"},
		{"a test imports what it tests with", "internal/fanout/a_test.go", `import "github.com/jackc/pgx/v5"`, ""},
		{"the fold reads the clock", "internal/tracking/a.go", `import "time"; var t = time.Now()`, "may not use time.Now"},
		{"the fold reads the clock under another name", "internal/tracking/a.go", `import clock "time"; var t = clock.Since(clock.Time{})`, "may not use time.Since"},
		{"the fold uses times", "internal/tracking/a.go", `import "time"; var t = time.Unix(0, 0)`, ""},
		{"a field called Now is no clock", "internal/tracking/a.go", `var x struct{ Now int }; var y = x.Now`, ""},
		{"the fold logs", "internal/tracking/a.go", `import "log/slog"`, "is a pure function"},
		{"the fold takes a context", "internal/tracking/a.go", `import "context"`, "is a pure function"},
		{"the fold locks", "internal/tracking/a.go", `import "sync/atomic"`, "is a pure function"},
		{"the fold throws dice", "internal/tracking/a.go", `import "math/rand/v2"`, "is a pure function"},
		{"the fold takes any library", "internal/tracking/a.go", `import "github.com/cenkalti/backoff/v4"`, "listed in pureLibs"},
		{"schemas run code", "schemas/a.go", `import "strings"`, "embedded files and nothing else"},
		{"schemas embed", "schemas/a.go", `import "embed"`, ""},
		{"the vocabulary imports the inside", "events/a.go", `import "github.com/waybill-io/waybill/internal/auth"`, "may not import"},
		{"signals below a command", "internal/ingest/a.go", `import "os/signal"`, "only cmd/internal/cli may"},
		{"a package ends the process", "internal/ingest/a.go", `import "os"; func f() { os.Exit(1) }`, "may not use os.Exit"},
		{"a command ends the process", "cmd/producer/a.go", `import "os"; func f() { os.Exit(1) }`, ""},
		{"a package without a row", "internal/util/a.go", ``, "internal/util has no row in the import table"},
		{"a folder below a package", "internal/topic/deep/a.go", ``, "internal/topic/deep has no row in the import table"},
		{"a file that is no Go", "internal/topic/a.go", `import (`, "expected"},
		{"a build tag hides nothing", "internal/topic/a_windows.go", `import "github.com/jackc/pgx/v5"`, "only internal/readmodel may"},
		{"test data", "internal/topic/testdata/a.go", `import "github.com/jackc/pgx/v5"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := fstest.MapFS{tt.file: {Data: []byte("package p; " + tt.src)}}
			_, problems := checkFloors(tree)
			got := strings.Join(problems, "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("%s with %q: check said %q, want %q", tt.file, tt.src, got, tt.want)
			}
		})
	}
}

func TestTheFloorCheckLeavesOtherModulesAlone(t *testing.T) {
	found, problems := checkFloors(fstest.MapFS{
		"bench/go.mod":     {Data: []byte("module bench")},
		"bench/peer/a.go":  {Data: []byte(`package peer; import "github.com/jackc/pgx/v5"`)},
		"events/events.go": {Data: []byte("package events")},
	})
	if len(problems) > 0 {
		t.Errorf("check said %q, want nothing", problems)
	}
	if !found["events"] || found["bench/peer"] {
		t.Errorf("check looked at %v, want events and not bench/peer", found)
	}
}
