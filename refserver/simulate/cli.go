package simulate

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// Main is the command: it plays, prints the report to stdout, and returns the
// exit code: 0, 1 if anything was not as foreseen, 2 for wrong arguments. A run
// that ctx ends is no failure by itself.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o Options
	var verbose, quiet bool
	flags := flag.NewFlagSet("simulate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.BaseURL, "url", "http://127.0.0.1:8080", "`address` of the server")
	flags.StringVar(&o.AdminToken, "token", "", "an administrator's `token` (default: the environment's ENROLLKIT_ADMIN_TOKEN)")
	flags.IntVar(&o.Devices, "devices", DefaultDevices, "how many devices; each 30 play every story")
	flags.Uint64Var(&o.Seed, "seed", 1, "decides everything that happens")
	flags.DurationVar(&o.For, "for", 0, "keep the devices alive for at least `this long` (default: the length of the stories; -1s: until interrupted)")
	flags.Float64Var(&o.Pace, "pace", DefaultPace, "seconds of the people's time in one second")
	flags.StringVar(&o.Label, "label", "", "tells this run's people and hardware from another's with the same seed (default: the time)")
	flags.BoolVar(&o.Existing, "existing", false, "begin with people who are invited already")
	flags.IntVar(&o.Concurrency, "concurrency", DefaultConcurrency, "requests under way at once")
	flags.BoolVar(&verbose, "v", false, "log every act")
	flags.BoolVar(&quiet, "q", false, "print the report only")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "simulate: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	if o.AdminToken == "" {
		token, err := tokenFromEnvironment()
		if err != nil {
			fmt.Fprintln(stderr, err)
			return 2
		}
		o.AdminToken = token
	}
	if o.For < 0 {
		o.For = UntilCancelled
	}
	if !quiet {
		o.Progress = stderr
	}
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	o.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))

	report, err := Run(ctx, o)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	fmt.Fprint(stdout, report)
	if !report.OK() {
		return 1
	}
	return 0
}

// tokenFromEnvironment reads the variables that configure the server's token.
func tokenFromEnvironment() (string, error) {
	if path := os.Getenv("ENROLLKIT_ADMIN_TOKEN_FILE"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("simulate: ENROLLKIT_ADMIN_TOKEN_FILE: %w", err)
		}
		return string(trimNewline(text)), nil
	}
	return os.Getenv("ENROLLKIT_ADMIN_TOKEN"), nil
}

func trimNewline(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}
