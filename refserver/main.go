// Command refserver is enrollkit's reference server: it wires the SDK to SQLite or
// PostgreSQL, mail, sign-in and screens, for demos and to show how to embed it.
//
//	refserver [serve] [flags]            serve (the default)
//	refserver simulate [flags]           play a fleet against a running server
//	refserver import-users [flags] FILE  add users from a CSV file to a running server
//	refserver keys ...                   list, add, promote, rotate and retire keys, also of running servers
//	refserver authority ...              list and rotate the certificate authorities of devices, also of running servers
//	refserver verify [flags]             look for what must not be in a database
//	refserver backup [flags] FILE        copy the database of a running server (SQLite)
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
var commands = map[string]command{
	"serve":        serve,
	"simulate":     simulateFleet,
	"import-users": importUsers,
	"keys":         keys,
	"authority":    authorities,
	"verify":       verifyDatabase,
	"backup":       backup,
	"version":      version,
}

// command is one of them.
type command func(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) error

// names are the commands but serve, for people.
const names = "authority, backup, import-users, keys, simulate, verify or version"

func run(ctx context.Context, args []string, env func(string) string, out, errOut io.Writer) error {
	name := "serve"
	if len(args) > 0 && len(args[0]) > 0 && args[0][0] != '-' {
		name, args = args[0], args[1:]
	}
	command, ok := commands[name]
	if !ok {
		return fmt.Errorf("unknown command %q: want serve, %s", name, names)
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
	cfg.Log = o.logger(errOut)
	return server.Run(ctx, cfg)
}

// logger returns the log of the chosen level and form.
func (o *options) logger(w io.Writer) *slog.Logger {
	how := &slog.HandlerOptions{Level: o.level}
	if o.values["log-format"] == "json" {
		return slog.New(slog.NewJSONHandler(w, how))
	}
	return slog.New(slog.NewTextHandler(w, how))
}

func version(_ context.Context, _ []string, _ func(string) string, out, _ io.Writer) error {
	text := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		text = info.Main.Version
	}
	_, err := fmt.Fprintln(out, "refserver", text)
	return err
}
