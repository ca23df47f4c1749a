package ops

import (
	"fmt"
	"io"
	"log/slog"
	"os"
)

// LogConfig says how a command logs.
type LogConfig struct {
	Format string     // "text", "json" or "auto": text on a terminal, else JSON. Defaults to "auto".
	Level  slog.Level // the least level that is written. Defaults to info.
}

// NewLogger returns a logger that writes to w.
func NewLogger(w io.Writer, cfg LogConfig) (*slog.Logger, error) {
	opts := &slog.HandlerOptions{Level: cfg.Level}
	switch format := cfg.Format; {
	case format == "text", (format == "" || format == "auto") && terminal(w):
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case format == "json", format == "", format == "auto":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	default:
		return nil, fmt.Errorf("log format %q is none of text, json, auto", format)
	}
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
