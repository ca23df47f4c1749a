package scenario

import (
	"math/rand/v2"
	"time"
)

// dice is a source of chance that belongs to one tale.
type dice struct {
	pcg rand.PCG
}

// diceOf returns the dice of a tale, which depend on the seed and on the tale
// alone.
func diceOf(seed, tale uint64) *dice {
	d := &dice{}
	d.pcg.Seed(mix(seed), mix(tale+1))
	return d
}

// mix spreads neighbouring numbers over all 64 bits, no two of them to the same
// (SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// n is one of 0 to n-1.
func (d *dice) n(n int) int {
	return int((d.pcg.Uint64() >> 33) * uint64(n) >> 31)
}

// chance is true in the given share of cases. It always draws, so that one rate
// does not change what the others bring about.
func (d *dice) chance(share float64) bool {
	return float64(d.pcg.Uint64()>>11)/(1<<53) < share
}

// between is a span of time in whole seconds.
func (d *dice) between(least, most time.Duration) time.Duration {
	span := uint64((most-least)/time.Second) + 1
	return least + time.Duration(d.pcg.Uint64()%span)*time.Second
}

// latency is a span of time in whole milliseconds.
func (d *dice) latency(least, most time.Duration) time.Duration {
	span := uint64((most-least)/time.Millisecond) + 1
	return least + time.Duration(d.pcg.Uint64()%span)*time.Millisecond
}

// oneOf picks an item.
func oneOf[T any](d *dice, items []T) T { return items[d.n(len(items))] }
