//go:build fault

package fault

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// order is what is to happen at one place.
type order struct {
	at     uint64 // the hit that it happens at; 0 is never
	action string
	hits   atomic.Uint64
}

// orders reads the variable once. This is the only package below the commands
// that reads one: a place deep inside has no other way to be told by a test.
var orders = sync.OnceValue(func() map[string]*order {
	all, err := parse(os.Getenv("WAYBILL_FAULT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "fault: WAYBILL_FAULT:", err)
		os.Exit(2)
	}
	return all
})

func parse(text string) (map[string]*order, error) {
	all := map[string]*order{}
	for field := range strings.SplitSeq(text, ",") {
		if field == "" {
			continue
		}
		parts := strings.Split(field, ":")
		if len(parts) != 3 || parts[0] == "" {
			return nil, fmt.Errorf("%q is not name:n:action", field)
		}
		at, err := strconv.ParseUint(parts[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", field, err)
		}
		switch parts[2] {
		case "kill", "stop", "count":
			all[parts[0]] = &order{at: at, action: parts[2]}
		default:
			return nil, fmt.Errorf("%q: the action is kill, stop or count", field)
		}
	}
	return all, nil
}

// Point is a place where a test may want a crash.
func Point(name string) {
	o := orders()[name]
	if o == nil {
		return
	}
	hit := o.hits.Add(1)
	if o.action != "count" && hit != o.at {
		return
	}
	fmt.Fprintf(os.Stderr, "fault: %s hit %d: %s\n", name, hit, o.action)
	o.act()
}

func (o *order) act() {
	switch o.action {
	case "kill":
		signal(syscall.SIGKILL)
		select {} // it takes a moment to arrive
	case "stop":
		signal(syscall.SIGSTOP)
	}
}

// At is a place that every record comes by, with its offset. The action is for
// the record with the number, however often it comes.
func At(name string, offset int64) {
	o := orders()[name]
	if o == nil || offset != int64(o.at) {
		return
	}
	fmt.Fprintf(os.Stderr, "fault: %s record %d: %s\n", name, offset, o.action)
	o.act()
}

func signal(s syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		panic(fmt.Sprintf("fault: send myself %v: %v", s, err))
	}
}
