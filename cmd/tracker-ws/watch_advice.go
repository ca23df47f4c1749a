package main

import (
	"errors"
	"fmt"

	"github.com/waybill-io/waybill/events/watch"
)

// advise adds what to do to an error that waiting does not mend. With link it
// came of the secret of a link.
func advise(err error, link bool) error {
	if closed, ok := errors.AsType[*watch.CloseError](err); ok && adviceOf(closed.Code, link) != "" {
		return fmt.Errorf("%w; %s", err, adviceOf(closed.Code, link))
	}
	if refused, ok := errors.AsType[*watch.HandshakeError](err); ok {
		if refused.Status < 400 { // it says what to give
			return fmt.Errorf("--url: %w", refused)
		}
		return fmt.Errorf("%w; --url: is it the live socket, such as ws://host/v1/live?", refused)
	}
	if refused, ok := errors.AsType[*watch.RefusedError](err); ok {
		switch refused.Code {
		case "bad_filter", "limit":
			return fmt.Errorf("--filter: %w", refused)
		case "unknown_topic":
			return fmt.Errorf("--topic: %w", refused)
		case "forbidden", "unauthenticated":
			if link {
				return fmt.Errorf("%w; a link shows one shipment: give --topic shipments, and no --filter", refused)
			}
			return fmt.Errorf("%w; --token-file: give a token that may read %s", refused, refused.Topic)
		}
	}
	return err
}

func adviceOf(code int, link bool) string {
	if link && (code == 4501 || code == 4505) {
		return "ask for another link"
	}
	switch code {
	case 4501:
		return "--token-file: give a token that is good now; tracker-ws token makes one"
	case 4502:
		return "--token-file: give a token that may read"
	case 4503:
		return "end others of the same user, or give a token of another subject"
	case 4505:
		return "--token-file: give another token"
	case 1009:
		return "--filter: give a shorter one"
	case 4506:
		return "this program and the server are of different versions"
	}
	return ""
}
