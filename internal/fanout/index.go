package fanout

import (
	"slices"
	"time"
)

// index finds the groups that a change may concern, so that a change costs what
// those do and not what there are. It belongs to the hub's lock.
//
// A group whose filter names the texts that wanted rows have in some field is
// filed under these. A change is for those filed under what its row has now; and,
// because the row had something else before, for those that hold its id. What
// is filed by id needs no such note, for an id never changes. All other groups
// hear of every change: those without such a field, and those that do not know
// what their clients have.
type index struct {
	files   map[*group]*file
	shelves map[Topic]*shelf
	round   uint64 // of the change at hand
	found   []*file
	full    map[*group]struct{} // those that have gathered something
}

// file is where a group is found.
type file struct {
	group    *group
	complete bool     // the group was, when it was filed
	field    string   // "" when it hears of everything
	texts    []string // under which it is filed
	round    uint64   // of the last change that it heard of
}

// shelf is the files of one topic.
type shelf struct {
	fields  []string                      // by which groups may be filed, the most telling first
	wide    map[*file]struct{}            // those that hear of everything
	named   map[string]map[string][]*file // by field and text
	holders map[string][]*file            // by id, of those filed by another field
}

func newIndex() *index {
	return &index{files: make(map[*group]*file), shelves: make(map[Topic]*shelf), full: make(map[*group]struct{})}
}

// telling names the fields of a topic that hold texts: the fewer rows share one,
// the earlier.
func telling(t Topic) []string {
	switch t {
	case Orders:
		return []string{"id", "number", "returns_open", "channel", "flags", "holds", "status"}
	case Shipments:
		return []string{"id", "numbers", "orders", "last_location", "service", "carrier", "last_scan_type", "status", "direction"}
	default:
		return nil
	}
}

func (x *index) shelf(t Topic) *shelf {
	s := x.shelves[t]
	if s == nil {
		s = &shelf{fields: telling(t), wide: make(map[*file]struct{}), named: make(map[string]map[string][]*file), holders: make(map[string][]*file)}
		x.shelves[t] = s
	}
	return s
}

// add files a group, or files it anew where it has become complete.
func (x *index) add(g *group) {
	if f := x.files[g]; f != nil && f.complete == g.complete {
		return
	}
	x.remove(g)
	s := x.shelf(g.topic)
	f := &file{group: g, complete: g.complete}
	f.field, f.texts = s.where(g)
	x.files[g] = f
	if f.field == "" {
		s.wide[f] = struct{}{}
		return
	}
	for _, text := range f.texts {
		s.put(f, text)
	}
	for id := range f.held() {
		s.holders[id] = append(s.holders[id], f)
	}
}

// remove forgets a group.
func (x *index) remove(g *group) {
	f := x.files[g]
	if f == nil {
		return
	}
	delete(x.files, g)
	delete(x.full, g)
	s := x.shelf(g.topic)
	delete(s.wide, f)
	for _, text := range f.texts {
		drop(s.named[f.field], text, f)
	}
	for id := range f.held() {
		drop(s.holders, id, f)
	}
}

// held are the ids by which a file is found beside the texts of its field.
func (f *file) held() map[string]bool {
	if f.field == "" || f.field == "id" {
		return nil
	}
	return f.group.match // of one that is complete: all true
}

// where chooses where to file a group.
func (s *shelf) where(g *group) (field string, texts []string) {
	for _, field := range s.fields {
		if texts := g.filter.among(field); texts != nil && (g.complete || field == "id") {
			return field, texts
		}
	}
	return "", nil
}

func (s *shelf) put(f *file, text string) {
	if s.named[f.field] == nil {
		s.named[f.field] = make(map[string][]*file)
	}
	s.named[f.field][text] = append(s.named[f.field][text], f)
}

// drop takes f out of one of many lists.
func drop(lists map[string][]*file, key string, f *file) {
	rest := slices.DeleteFunc(lists[key], func(other *file) bool { return other == f })
	if len(rest) == 0 {
		delete(lists, key)
	} else {
		lists[key] = rest
	}
}

// apply tells the groups that a change may concern.
func (x *index) apply(c tally, at time.Time) {
	s := x.shelves[c.topic]
	if s == nil {
		return
	}
	x.round++
	for f := range s.wide {
		x.tell(f.group, c, at)
	}
	x.find(s, c)
	for _, f := range x.found {
		held := f.group.match[c.id]
		x.tell(f.group, c, at)
		if f.field != "id" {
			s.note(f, c.id, held)
		}
	}
}

func (x *index) tell(g *group, c tally, at time.Time) {
	g.apply(c, at)
	if g.gathered() {
		x.full[g] = struct{}{}
	}
}

// find collects the files that the change is for, each once.
func (x *index) find(s *shelf, c tally) {
	x.found = x.found[:0]
	x.take(s.holders[c.id])
	x.take(s.named["id"][c.id])
	if c.row == nil {
		return
	}
	for field, byText := range s.named {
		v, _ := c.row.Field(field)
		v.each(func(text string) bool {
			x.take(byText[text])
			return false
		})
	}
}

func (x *index) take(files []*file) {
	for _, f := range files {
		if f.round != x.round {
			f.round = x.round
			x.found = append(x.found, f)
		}
	}
}

// note keeps who holds an id; held says whether f did before.
func (s *shelf) note(f *file, id string, held bool) {
	switch holds := f.group.match[id]; {
	case holds && !held:
		s.holders[id] = append(s.holders[id], f)
	case held && !holds:
		drop(s.holders, id, f)
	}
}
