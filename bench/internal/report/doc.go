// Package report says under which conditions a benchmark ran, and ends it with
// one line that a program can read.
package report
