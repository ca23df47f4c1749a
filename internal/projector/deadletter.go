package projector

import "context"

// DeadLetter is a record that could not be applied, as the store keeps it.
type DeadLetter struct {
	Poison
	Attempts int // how often it was tried, its first time included
}

// DeadLetters is where copies of dead letters are published for others to see.
// The store has the letters themselves.
type DeadLetters interface {
	// Publish writes copies of letters, all of one partition, in their order. It
	// returns nil once all of them are acknowledged; after an error some of them
	// may have been written.
	Publish(ctx context.Context, letters []DeadLetter) error
}

// Decode reads a record that was refused before, with what the program knows
// now. It is what every record goes through.
func Decode(r *Record) (Event, error) { return decodeOne(r) }

// NewPoison says of a record why it was refused: with the code of an error of
// [Decode].
func NewPoison(r *Record, err error) Poison { return poisonOf(r, err) }
