package watch

import (
	"iter"
	"maps"
	"slices"
)

// table holds the rows of a subscription.
type table struct {
	rows    map[string]Row
	ordered bool
	order   []string // ids as they came, when ordered
	keep    int      // how many rows stay, when ordered; 0 for all
}

func newTable(s Subscription) *table {
	t := &table{rows: make(map[string]Row), ordered: s.Topic.log()}
	if s.Topic == Alerts {
		t.keep = s.Keep
	}
	return t
}

func (t *table) len() int { return len(t.rows) }

func (t *table) row(id string) (Row, bool) {
	r, ok := t.rows[id]
	return r, ok
}

func (t *table) all() iter.Seq2[string, Row] {
	if !t.ordered {
		return maps.All(t.rows)
	}
	return func(yield func(string, Row) bool) {
		for _, id := range t.order {
			if !yield(id, t.rows[id]) {
				return
			}
		}
	}
}

// put adds a row, or replaces it where it stands.
func (t *table) put(id string, r Row) {
	_, there := t.rows[id]
	t.rows[id] = r
	if !t.ordered || there {
		return
	}
	t.order = append(t.order, id)
	if t.keep > 0 && len(t.order) > t.keep {
		delete(t.rows, t.order[0])
		t.order = t.order[1:]
	}
}

func (t *table) drop(id string) {
	if _, there := t.rows[id]; !there {
		return
	}
	delete(t.rows, id)
	if t.ordered {
		i := slices.Index(t.order, id)
		t.order = slices.Delete(t.order, i, i+1)
	}
}

func (t *table) clear() {
	clear(t.rows)
	t.order = nil
}
