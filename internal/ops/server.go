package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config says how the operator reaches a command.
type Config struct {
	Addr  string        // host:port to listen on. Defaults to "127.0.0.1:9090".
	Pprof bool          // serve profiles below /debug/pprof/. Defaults to false.
	Grace time.Duration // for requests in hand when the server ends. Defaults to 5 s.
}

// Server answers the operator's questions.
type Server struct {
	// Ready holds the command's checks.
	Ready *Readiness
	// Metrics is the command's registry. It has the collectors of the Go runtime,
	// the process, the build and Ready.
	Metrics *prometheus.Registry

	grace    time.Duration
	listener net.Listener
	http     http.Server
}

// Listen takes the port. Nobody is answered before [Server.Run]; a Server that
// is never run has to be closed.
func Listen(ctx context.Context, cfg Config, log *slog.Logger) (*Server, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:9090"
	}
	if cfg.Grace == 0 {
		cfg.Grace = 5 * time.Second
	}
	s := &Server{Ready: &Readiness{}, Metrics: prometheus.NewRegistry(), grace: cfg.Grace}
	if err := s.register(); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the operator: %w", err)
	}
	s.listener = listener
	s.http = http.Server{
		Handler:           s.routes(cfg.Pprof, log),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      2 * time.Minute, // a profile takes its time
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	return s, nil
}

func (s *Server) register() error {
	var errs []error
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
		s.Ready,
	} {
		errs = append(errs, s.Metrics.Register(c))
	}
	return errors.Join(errs...)
}

func (s *Server) routes(profiles bool, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n")) // a probe that hung up needs no answer
	})
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{
		Registry: s.Metrics, MaxRequestsInFlight: 4, ErrorHandling: promhttp.ContinueOnError,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}))
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	report := s.Ready.Report()
	body, err := json.Marshal(report)
	if err != nil {
		http.Error(w, "the report cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !report.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n'))
}

// Addr is the address that the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run answers until ctx ends, then lets the requests in hand finish. Give it a
// context that outlives the work, so that probes are answered while it winds up.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the operator: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.grace)
	defer cancel()
	err := s.http.Shutdown(grace)
	if err != nil {
		err = fmt.Errorf("end the operator's requests: %w", errors.Join(err, s.http.Close()))
	}
	<-served
	return err
}

// Close gives the port back. After Run it does nothing.
func (s *Server) Close() error {
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the operator's port: %w", err)
	}
	return nil
}
