package projector

import "fmt"

// HaltError stops a partition until an operator decides.
type HaltError struct {
	Partition Partition
	Reason    string // log_gap, other_log, corrupt_log, upgrade_needed, flood or kills_process
	Err       error
}

// Error reads "topic/0 halted (log_gap): ...".
func (e *HaltError) Error() string {
	return fmt.Sprintf("%s halted (%s): %v", e.Partition, e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *HaltError) Unwrap() error { return e.Err }

// standing is a partition that stands still, and where.
type standing struct {
	err *HaltError
	at  Claim
}

func (p *Projector) halt(e *HaltError, at Claim) {
	p.mu.Lock()
	p.halted[e.Partition] = standing{e, at}
	n := len(p.halted)
	p.mu.Unlock()
	p.cfg.Metrics.halt(e, n)
	p.log.Error("partition halted", "partition", e.Partition.String(), "reason", e.Reason,
		"position", at.Next, "error", e.Err)
}

// unhalt forgets why partitions stood still.
func (p *Projector) unhalt(parts ...Partition) {
	p.mu.Lock()
	for _, part := range parts {
		delete(p.halted, part)
	}
	n := len(p.halted)
	p.mu.Unlock()
	p.cfg.Metrics.unhalt(parts, n)
}

// stands reports that a partition was halted and is where it was then.
func (p *Projector) stands(part Partition, now Claim) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.halted[part]
	return ok && s.at.samePlace(now)
}

// standings copies what stands still.
func (p *Projector) standings() map[Partition]Claim {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := make(map[Partition]Claim, len(p.halted))
	for part, s := range p.halted {
		at[part] = s.at
	}
	return at
}

// assign begins a generation: what is no longer ours is somebody else's worry.
func (p *Projector) assign(parts []Partition) {
	mine := make(map[Partition]bool, len(parts))
	for _, part := range parts {
		mine[part] = true
	}
	var gone []Partition
	for part := range p.standings() {
		if !mine[part] {
			gone = append(gone, part)
		}
	}
	p.unhalt(gone...)
	p.cfg.Metrics.given(len(parts))
	p.mu.Lock()
	p.assigned = len(parts)
	p.mu.Unlock()
}

// report tells whether all partitions of the generation are worked on.
func (p *Projector) report() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.halted {
		p.cfg.Ready(false, s.err.Error())
		return
	}
	p.cfg.Ready(true, fmt.Sprintf("%d partitions", p.assigned))
}
