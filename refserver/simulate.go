package main

import (
	"context"
	"errors"
	"io"
	"net/url"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/refserver/internal/server"
	"example.com/enrollkit/refserver/simulate"
)

// simulateFleet is the command "simulate"; its exit code becomes an error.
func simulateFleet(ctx context.Context, args []string, _ func(string) string, out, errOut io.Writer) error {
	if code := simulate.Main(ctx, args, out, errOut); code != 0 {
		return exitCode(code)
	}
	return nil
}

var _ server.Simulate = demoFleet

// demoFleet plays the people of the demo site until ctx ends.
func demoFleet(ctx context.Context, base *url.URL, adminToken credentials.Secret) error {
	report, err := simulate.Run(ctx, simulate.Options{
		BaseURL: base.String(), AdminToken: adminToken.Reveal(), Existing: true, For: simulate.UntilCancelled,
	})
	if err == nil && !report.OK() {
		err = errors.New("the simulated fleet met something unexpected: run simulate against this server to see it")
	}
	return err
}
