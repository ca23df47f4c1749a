package wire

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-io/waybill/internal/projector"
	"github.com/waybill-io/waybill/internal/readmodel"
	"github.com/waybill-io/waybill/internal/topic"
)

// How long a look may take, which round of looks is one at the tables, and after
// how many rounds what was seen is not shown any more.
const (
	surveyLimit  = 5 * time.Second
	surveyTables = 3
	surveyStale  = 6
)

// survey looks, beside the projector, how far the whole read model is behind the
// log and how its tables fare. Scrapes are shown what it saw last: none of them
// asks the database or the brokers anything.
type survey struct {
	store *readmodel.Store
	cfg   topic.SourceConfig
	every time.Duration
	log   *slog.Logger

	topics *topic.Log // as it was opened last, nil when it has to be
	opened time.Time

	mu       sync.Mutex // guards what follows
	lag      map[projector.Partition]behind
	lagAt    time.Time
	tables   []readmodel.Table
	letters  map[string]int64
	parked   parked
	tablesAt time.Time
	failures map[string]int
}

func newSurvey(store *readmodel.Store, cfg topic.SourceConfig, every time.Duration, log *slog.Logger) *survey {
	return &survey{
		store: store, cfg: cfg, every: cmp.Or(every, 10*time.Second), log: log,
		lag: map[projector.Partition]behind{}, failures: map[string]int{"log": 0, "tables": 0},
	}
}

// Run looks until ctx ends. What fails is looked at again the next time.
func (s *survey) Run(ctx context.Context) error {
	defer s.close()
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for round := 0; ; round++ {
		s.try(ctx, "log", s.lookAtLog)
		if round%surveyTables == 0 {
			s.try(ctx, "tables", s.lookAtTables)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *survey) try(ctx context.Context, part string, look func(context.Context) error) {
	limited, cancel := context.WithTimeout(ctx, surveyLimit)
	defer cancel()
	err := look(limited)
	if err == nil || ctx.Err() != nil {
		return
	}
	s.log.Debug("the survey sees nothing, trying again", "part", part, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[part]++
}

func (s *survey) lookAtLog(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	positions, err := s.store.AllPositions(ctx) // before the ends: what is applied meanwhile is no lag
	if err != nil {
		return err
	}
	_, parts := s.topics.Assignment()
	bounds, err := s.topics.Bounds(ctx, parts)
	if err != nil {
		s.close()
		return err
	}
	next := make(map[projector.Partition]int64, len(positions))
	for _, p := range positions {
		next[p.Partition] = p.Next
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lagAt = time.Now()
	seen := make(map[projector.Partition]behind, len(parts))
	for _, part := range parts {
		seen[part] = s.lag[part].look(s.lagAt, max(next[part], bounds[part].Start), bounds[part].End)
	}
	s.lag = seen
	return nil
}

// open looks up the topics, again after a while: they may have got partitions.
func (s *survey) open(ctx context.Context) (err error) {
	const every = time.Minute
	if s.topics != nil && time.Since(s.opened) < every {
		return nil
	}
	s.close()
	s.topics, err = topic.OpenLog(ctx, s.cfg)
	s.opened = time.Now()
	return err
}

func (s *survey) close() {
	if s.topics != nil {
		s.topics.Close()
		s.topics = nil
	}
}

func (s *survey) lookAtTables(ctx context.Context) error {
	tables, err := s.store.Tables(ctx)
	if err != nil {
		return err
	}
	letters, err := s.store.Unhandled(ctx)
	if err != nil {
		return err
	}
	var p parked
	if p.keys, p.records, err = s.store.Parked(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables, s.letters, s.parked, s.tablesAt = tables, letters, p, time.Now()
	return nil
}

// parked is how much waits behind dead letters.
type parked struct{ keys, records int64 }

// behind is how far a partition is behind, by records and by time.
type behind struct {
	records int64
	waiting time.Duration // of the oldest record, since a look first saw it
	seen    []glimpse     // ends of the log that the position has not reached, in order
}

type glimpse struct {
	at  time.Time
	end int64
}

// look compares the position with the log's end.
func (b behind) look(now time.Time, next, end int64) behind {
	const most = 64
	seen := make([]glimpse, 0, len(b.seen)+1)
	for _, g := range b.seen {
		if g.end > next && g.end <= end { // what lies behind the end is of another log
			seen = append(seen, g)
		}
	}
	if n := len(seen); end > next && (n == 0 || seen[n-1].end < end) {
		seen = append(seen, glimpse{now, end})
	}
	if len(seen) > most {
		seen = thin(seen)
	}
	b = behind{records: max(0, end-next), seen: seen}
	if len(seen) > 0 {
		b.waiting = now.Sub(seen[0].at)
	}
	return b
}

// thin makes one of every two glimpses: what waits looks a little older than it
// is.
func thin(seen []glimpse) []glimpse {
	kept := make([]glimpse, 0, len(seen)/2+2)
	for i, g := range seen {
		if i%2 == 1 || i == len(seen)-1 {
			g.at = seen[max(0, i-1)].at
			kept = append(kept, g)
		}
	}
	return kept
}

// report copies what may be shown now.
func (s *survey) report(now time.Time) (r surveyed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.failures, r.lagAt, r.tablesAt = maps.Clone(s.failures), s.lagAt, s.tablesAt
	if now.Sub(s.lagAt) < surveyStale*s.every {
		r.lag = s.lag
	}
	if now.Sub(s.tablesAt) < surveyStale*s.every {
		r.tables, r.letters, r.parked = s.tables, s.letters, new(s.parked)
	}
	return r
}

// surveyed is what a scrape is shown. Nothing of it is written any more.
type surveyed struct {
	lag             map[projector.Partition]behind
	tables          []readmodel.Table
	letters         map[string]int64
	parked          *parked // nil when it is not known
	lagAt, tablesAt time.Time
	failures        map[string]int
}

var _ prometheus.Collector = (*survey)(nil)
