// Command concord is the whole of Concord: the node, its administration, its demo and its tools, one
// subcommand a file. It is the only place that reads the environment and ties parts together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set at build time by -ldflags "-X main.version=…".
var version = "dev"

// exitError ends the program with a status of its own, after what it says has been printed.
type exitError struct {
	status int
	text   string
}

func (e *exitError) Error() string { return e.text }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is main without the process: arguments in, exit status out. Data goes to out, messages to errOut.
func run(ctx context.Context, args []string, out, errOut io.Writer) (status int) {
	var c cli
	exited := -1
	parser, err := newParser(&c, out, errOut, func(code int) { exited = code })
	if err != nil {
		fmt.Fprintln(errOut, "concord:", err) // a mistake in this program's own command tree
		return 2
	}
	kctx, err := parser.Parse(args)
	if exited >= 0 { // --help and --version end here
		return exited
	}
	if err != nil {
		var perr *kong.ParseError
		if errors.As(err, &perr) && perr.Context != nil {
			fmt.Fprintf(errOut, "concord: %v\nTry: concord %s--help\n", err, commandPrefix(perr.Context))
		} else {
			fmt.Fprintln(errOut, "concord:", err)
		}
		return 2
	}
	c.origins = originsOf(kctx)
	kctx.BindTo(ctx, (*context.Context)(nil))
	err = kctx.Run(&c.Globals, &streams{out: out, err: errOut})
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if exit.text != "" {
			fmt.Fprintln(errOut, "concord:", exit.text)
		}
		return exit.status
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return 130
	}
	fmt.Fprintln(errOut, "concord:", err)
	return 1
}

func commandPrefix(kctx *kong.Context) string {
	if cmd := kctx.Command(); cmd != "" {
		return cmd + " "
	}
	return ""
}

// streams are where a command writes: data to out, messages to err.
type streams struct{ out, err io.Writer }
