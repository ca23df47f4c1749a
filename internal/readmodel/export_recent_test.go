package readmodel

// GuessOfAnyBatch has a store guess of small batches too which events are new.
func (s *Store) GuessOfAnyBatch() { s.recent.fewest = 1 }

// Doubts reports whether it guesses at all.
func (s *Store) Doubts() bool {
	s.recent.mu.Lock()
	defer s.recent.mu.Unlock()
	return s.recent.doubt > 0
}
