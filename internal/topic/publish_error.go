package topic

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// PublishError says what is known about the events of a call that did not
// succeed. Publishing all of them again, with the same ids, is always right.
type PublishError struct {
	Acked   int // are in the log
	Unknown int // may be in the log
	Unsent  int // are not in the log
	Err     error
}

// Error reads "publish 100 events: 98 acknowledged, 2 unknown, 0 unsent: cause".
func (e *PublishError) Error() string {
	return fmt.Sprintf("publish %d events: %d acknowledged, %d unknown, %d unsent: %v",
		e.Acked+e.Unknown+e.Unsent, e.Acked, e.Unknown, e.Unsent, e.Err)
}

// Unwrap returns the cause.
func (e *PublishError) Unwrap() error { return e.Err }

// summarize makes one error of the many that a write returns: the most frequent
// cause, with its count.
func summarize(err error) error {
	var all kafka.WriteErrors
	if !errors.As(err, &all) {
		return err
	}
	counts := map[string]int{}
	var worst error
	for _, e := range all {
		if e == nil {
			continue
		}
		counts[e.Error()]++
		if worst == nil || counts[e.Error()] > counts[worst.Error()] {
			worst = e
		}
	}
	if worst == nil {
		return nil
	}
	return fmt.Errorf("%d of %d writes: %w", counts[worst.Error()], len(all), worst)
}
