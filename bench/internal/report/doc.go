// Package report says under which conditions a benchmark ran, describes waits,
// and ends a run with one line that a program can read.
package report
