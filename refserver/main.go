// Command refserver is enrollkit's reference server: it wires the SDK to SQLite,
// mail, sign-in and screens, for demos and to show how to embed it.
//
//	refserver [serve] [flags]            serve (the default)
//	refserver simulate [flags]           play a fleet against a running server
//	refserver import-users [flags] FILE  add users from a CSV file to a running server
//	refserver version                    print the version
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"

	"example.com/enrollkit/refserver/internal/server"
)

//go:embed openapi.yaml
var openapi []byte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	code, said := errors.AsType[exitCode](err)
	if err != nil && !said {
		fmt.Fprintln(os.Stderr, "refserver:", err)
		code = 1
	}
	os.Exit(int(code))
}

// exitCode is how a command ends that has said everything already.
type exitCode int

func (c exitCode) Error() string { return "exit code " + strconv.Itoa(int(c)) }

// commands is what the first argument chooses.
var commands = map[string]func(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) error{
	"serve":        serve,
	"simulate":     simulateFleet,
	"import-users": importUsers,
	"version":      version,
}

func run(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) error {
	name := "serve"
	if len(args) > 0 && len(args[0]) > 0 && args[0][0] != '-' {
		name, args = args[0], args[1:]
	}
	command, ok := commands[name]
	if !ok {
		return fmt.Errorf("unknown command %q: want serve, simulate, import-users or version", name)
	}
	return command(ctx, args, env, out, errOut)
}

func serve(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) error {
	o, err := readOptions(args, env, errOut)
	if err != nil || o == nil {
		return err
	}
	if o.printConfig {
		return o.print(out)
	}
	cfg, err := o.config()
	if err != nil {
		return err
	}
	cfg.OpenAPI, cfg.Out, cfg.Simulate = openapi, out, demoFleet
	cfg.Log = slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: o.level}))
	return server.Run(ctx, cfg)
}

func version(_ context.Context, _ []string, _ func(string) string, out, _ io.Writer) error {
	text := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		text = info.Main.Version
	}
	_, err := fmt.Fprintln(out, "refserver", text)
	return err
}
