// Package proc reads from /proc what a process and its children have used. It
// works on Linux; elsewhere the figures are zero.
package proc
