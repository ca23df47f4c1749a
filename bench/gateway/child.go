package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// childArg makes this program a child that plays one part.
const childArg = "-part-of-parent"

// order is what the parent tells a child to do. What its fields mean depends on
// Do.
type order struct {
	Do    string
	URL   string        `json:",omitempty"`
	Token string        `json:",omitempty"`
	N     int           `json:",omitempty"`
	Mute  int           `json:",omitempty"`
	Rate  float64       `json:",omitempty"`
	For   time.Duration `json:",omitempty"`
	Named string        `json:",omitempty"`
	Marks []mark        `json:",omitempty"`
}

// part is what a child plays: it carries out orders until its input ends.
type part interface {
	do(ctx context.Context, o order) (answer any, err error)
	close() error
}

// parts are what a child can play, by name. The first order sets it up.
var parts = map[string]func(ctx context.Context, o order) (part, any, error){
	"hub":      newHubPart,
	"gateway":  newGatewayPart,
	"platform": newPlatformPart,
	"load":     newLoadPart,
}

// serveChild is the child's side: orders come line by line, and so do answers.
func serveChild(ctx context.Context, name string, in io.Reader, out io.Writer) (err error) {
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	var o order
	if err := orders.Decode(&o); err != nil {
		return fmt.Errorf("read the first order: %w", err)
	}
	start, ok := parts[name]
	if !ok {
		return fmt.Errorf("there is no part %q", name)
	}
	p, answer, err := start(ctx, o)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer func() { err = errors.Join(err, p.close()) }()
	for {
		if err := answers.Encode(answer); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		o = order{}
		switch err := orders.Decode(&o); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read an order: %w", err)
		}
		if answer, err = p.do(ctx, o); err != nil {
			return fmt.Errorf("%s: %s: %w", name, o.Do, err)
		}
	}
}

// child is the parent's side.
type child struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// spawn starts a child and has it set up.
func spawn(ctx context.Context, name string, o order, answer any) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{name: name, cmd: exec.CommandContext(ctx, self, childArg, name)}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the %s: %w", name, err)
	}
	if err := c.call(o, answer); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// pid is the child's.
func (c *child) pid() int { return c.cmd.Process.Pid }

// call has an order carried out; answer may be nil.
func (c *child) call(o order, answer any) error {
	if err := json.NewEncoder(c.in).Encode(o); err != nil {
		return fmt.Errorf("tell the %s to %s: %w", c.name, o.Do, err)
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("wait for the %s to %s: %w", c.name, o.Do, err)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(line, answer)
}

// stop ends the child and waits for it.
func (c *child) stop() error {
	_ = c.in.Close()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("end the %s: %w", c.name, err)
	}
	return nil
}
