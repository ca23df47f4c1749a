package topic

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// newBackOff waits 50 ms at first and never gives up.
func newBackOff(longest time.Duration) *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMaxInterval(longest),
		backoff.WithMaxElapsedTime(0),
	)
}

// pause waits for d and reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// permanent reports that trying again would bring the same answer: the broker
// understood the write and refuses it.
func permanent(err error) bool {
	var tooLarge kafka.MessageTooLargeError
	if errors.As(err, &tooLarge) || errors.Is(err, io.ErrClosedPipe) {
		return true
	}
	var code kafka.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidTopic, kafka.InvalidTimestamp,
		kafka.TopicAuthorizationFailed, kafka.ClusterAuthorizationFailed, kafka.SASLAuthenticationFailed,
		kafka.UnsupportedVersion, kafka.UnsupportedForMessageFormat, kafka.PolicyViolation:
		return true
	default:
		return false
	}
}

// cutOff reports an answer that ended early: a broken connection, or a batch
// that is shorter than it says.
func cutOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// undecodable reports that an answer came and could not be read. What kafka-go
// returns then has no type, so everything else is ruled out.
func undecodable(err error) bool {
	var (
		code  kafka.Error
		own   protocol.Error
		route *fetch.Error
		wire  net.Error
	)
	switch {
	case err == nil, cutOff(err), errors.As(err, &code), errors.As(err, &own), errors.As(err, &route), errors.As(err, &wire):
		return false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		return false
	default:
		return true
	}
}

// temporary reports that trying again may bring another answer: the broker says
// so, or there was none.
func temporary(err error) bool {
	if code, ok := errors.AsType[kafka.Error](err); ok {
		return code.Temporary()
	}
	_, wire := errors.AsType[net.Error](err)
	return cutOff(err) || wire || errors.Is(err, context.DeadlineExceeded)
}
