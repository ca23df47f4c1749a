package main

import (
	"context"
	"fmt"
	"time"
)

// watch is put into the page: it notes which rows stand in the document, at
// which revision, and when that changes. A mutation observer is called as soon
// as the change is made, before it is painted.
const watch = `(() => {
	const log = window.benchLog = [];
	const now = () => performance.timeOrigin + performance.now();
	const note = (row, gone, t) => log.push([row.dataset.rowId, gone ? -1 : Number(row.dataset.v), t]);
	const rows = (node) => node instanceof Element ? [...(node.matches("[data-row-id]") ? [node] : []), ...node.querySelectorAll("[data-row-id]")] : [];
	new MutationObserver((changes) => {
		const t = now();
		for (const c of changes) {
			if (c.type === "attributes") note(c.target, false, t);
			for (const n of c.removedNodes) for (const r of rows(n)) note(r, true, t);
			for (const n of c.addedNodes) for (const r of rows(n)) note(r, false, t);
		}
	}).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-v", "data-row-id"] });
	for (const r of rows(document.body)) note(r, false, now());
})()`

// page is the dashboard in a browser.
type page struct {
	browser *chromium
	offset  time.Duration // the page's clock minus ours
	slack   time.Duration // what the offset may be wrong by
}

func openPage(ctx context.Context, b *chromium, url string) (*page, error) {
	if err := b.call(ctx, "Page.navigate", map[string]any{"url": url}, nil); err != nil {
		return nil, err
	}
	err := until(ctx, "the page is live", 30*time.Second, func() bool {
		var state string
		err := b.eval(ctx, `document.querySelector("[data-testid=board]")?.dataset.state ?? ""`, &state)
		return err == nil && state == "live"
	})
	if err != nil {
		return nil, err
	}
	p := &page{browser: b}
	if err := p.compareClocks(ctx); err != nil {
		return nil, err
	}
	return p, b.eval(ctx, watch, nil)
}

// compareClocks takes the quickest of several questions for the time.
func (p *page) compareClocks(ctx context.Context) error {
	p.slack = time.Hour
	for range 20 {
		asked := time.Now()
		var ms float64
		if err := p.browser.eval(ctx, `performance.timeOrigin + performance.now()`, &ms); err != nil {
			return err
		}
		took := time.Since(asked)
		if took/2 < p.slack {
			p.slack = took / 2
			p.offset = wall(ms).Sub(asked.Add(took / 2))
		}
	}
	return nil
}

func wall(ms float64) time.Time { return time.UnixMicro(int64(ms * 1000)) }

// sighting is a line of the page's log: a row stands there at a revision, or, at
// -1, does not any more.
type sighting struct {
	id string
	v  int
	at time.Time // by our clock
}

func (p *page) sightings(ctx context.Context) ([]sighting, error) {
	var log [][3]any
	if err := p.browser.eval(ctx, "window.benchLog", &log); err != nil {
		return nil, fmt.Errorf("read the page's log: %w", err)
	}
	all := make([]sighting, 0, len(log))
	for _, l := range log {
		id, _ := l[0].(string)
		v, _ := l[1].(float64)
		ms, _ := l[2].(float64)
		all = append(all, sighting{id, int(v), wall(ms).Add(-p.offset)})
	}
	return all, nil
}

// waits returns how long it took until the document showed each measured event
// of a row that stood there when it was published, and how many such rows left
// the screen first.
func waits(l *ledger, all []sighting) (ms []float64, left int) {
	type standing struct {
		v     int
		since time.Time
	}
	there := map[string]standing{}
	for _, s := range all {
		was, stood := there[s.id]
		if stood {
			for _, t := range l.between(key{"shipments", s.id}, was.v, max(s.v, was.v)) {
				if t.measured && t.at.After(was.since) {
					ms = append(ms, millis(s.at.Sub(t.at)))
				}
			}
		}
		if s.v < 0 {
			for _, t := range l.between(key{"shipments", s.id}, was.v, -1) {
				if stood && t.measured && t.at.After(was.since) && t.at.Before(s.at) {
					left++
				}
			}
			delete(there, s.id)
			continue
		}
		if !stood {
			was.since = s.at
		}
		there[s.id] = standing{max(was.v, s.v), was.since}
	}
	return ms, left
}
